/* SPDX-License-Identifier: MIT */
/* gabi run: a guest on this machine, under a contract. */
#include "gabi.h"

#ifdef __x86_64__
#include "file.h"
#include "findings.h"
#include "guest.h"
#include "load.h"
#include "migrate.h"
#include "save.h"
#include "supervise.h"

#include "vmm/monitor.h"
#include "vmm/serve.h"

#include <gabi/formats.h>

#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the command line ---- */

static bool read_cpus(const char *text, unsigned *ret_cpus)
{
	char *end;
	unsigned long cpus = strtoul(text, &end, 10);

	if (*end || end == text || *text == '-' || !cpus || cpus > GABI_KVM_VPS_MAX) {
		complain("run: '%s' is no number of processors: 1 to %u", text, GABI_KVM_VPS_MAX);
		return false;
	}
	*ret_cpus = (unsigned)cpus;
	return true;
}

static bool read_memory(const char *text, uint64_t *ret_memory)
{
	char *end;
	uint64_t number = strtoull(text, &end, 10);
	unsigned shift = *end == 'G' ? 30 : 20;

	if (*end == 'G' || *end == 'M')
		end++;
	if (*end || *text < '0' || *text > '9' || number > UINT32_MAX || number << shift < VMM_MEMORY_LEAST) {
		complain("run: '%s' is no size of memory: MiB, or a number with M or G, and 4M at the least", text);
		return false;
	}
	*ret_memory = number << shift;
	return true;
}

/* Without a number: 2. */
static bool read_vtls(const char *text, struct vmm_options *options)
{
	options->hyperv = true;
	options->vtls = *text ? (unsigned)(*text - '0') : 2;
	if (!*text || ((*text == '2' || *text == '3') && !text[1]))
		return true;
	complain("run: '%s' is no number of trust levels: 2 or 3", text);
	return false;
}

static bool read_execute(const char *how, struct vmm_options *options)
{
	options->shim = true;
	if (strcmp(how, "shim"))
		complain("run: '%s' is no way to protect execution: shim", how);
	else if (options->vtls < 2)
		complain("run: --vsm-execute is of trust levels, and there are none without --vsm");
	else
		return true;
	return false;
}

static enum status read_options(const struct args *args, struct vmm_options *options)
{
	options->append = args->option[OPTION_APPEND];
	options->disk = args->option[OPTION_DISK];
	options->hyperv = args->option[OPTION_HYPERV] != NULL;
	options->forced = args->option[OPTION_FORCE] != NULL;
	if (args->option[OPTION_VSM] && !read_vtls(args->option[OPTION_VSM], options))
		return STATUS_USAGE;
	if (args->option[OPTION_VSM_EXECUTE] && !read_execute(args->option[OPTION_VSM_EXECUTE], options))
		return STATUS_USAGE;
	if (args->option[OPTION_CPUS] && !read_cpus(args->option[OPTION_CPUS], &options->cpus))
		return STATUS_USAGE;
	if (args->option[OPTION_MEMORY] && !read_memory(args->option[OPTION_MEMORY], &options->memory))
		return STATUS_USAGE;
	return STATUS_YES;
}

/* ---- the end ---- */

static enum status tell_end(const struct vmm_result *result)
{
	switch (result->end) {
	case VMM_END_OFF:
	case VMM_END_RESET:
		return STATUS_YES;
	case VMM_END_MOVED:
		complain("%s", result->text);
		return STATUS_YES;
	case VMM_END_EXIT:
		if (result->value)
			complain("the guest ended itself with %u", result->value);
		return result->value ? STATUS_NO : STATUS_YES;
	case VMM_END_STUCK:
		complain("%s", result->text);
		return STATUS_REFUSED;
	default:
		complain("%s", result->text);
		return STATUS_NO;
	}
}

/* ---- the monitor, in a process of its own ---- */

static int fill(void *ctx, struct gabi_diag *diag)
{
	const struct guest *guest = ctx;

	return guest->fill ? guest->fill(guest->ctx, guest->monitor, diag) : 0;
}

static int fill_and_run(struct guest *guest, struct vmm_result *ret_result, struct gabi_diag *diag)
{
	const struct vmm_serve_options serve = { .place = &guest->place, .user = guest->user, .start = fill, .ctx = guest };
	int err = vmm_serve(guest->monitor, &serve, ret_result, diag);
	int not_come = guest->came ? guest->came(guest->ctx, err ? NULL : diag) : 0;

	return err ? err : not_come;
}

/* Where KVM shows something else than was set --force helps, and nowhere else that KVM refuses something. */
static void tell_force(struct gabi_diag *diag)
{
	size_t len = strlen(diag->text);

	if (diag->err == GABI_ERR_KVM && !diag->sys_errno && diag->key.space != GABI_SPACE_NONE)
		snprintf(diag->text + len, sizeof(diag->text) - len, "; --force runs it all the same");
}

static enum status run_guest(void *ctx)
{
	struct guest *guest = ctx;
	struct vmm_result result;
	struct gabi_diag diag = { 0 };
	int err = vmm_new(guest->options, &guest->monitor, &diag);

	if (err)
		tell_force(&diag);
	else
		err = fill_and_run(guest, &result, &diag);
	vmm_free(guest->monitor);
	if (!err)
		return tell_end(&result);
	return complain_diag(err == GABI_ERR_KVM || err == GABI_ERR_NOMEM || err == GABI_ERR_IO ? NULL : guest->file, &diag);
}

static int place_contract(const struct vmm_place *place, const struct gabi_contract *contract, struct gabi_diag *diag)
{
	char *text = NULL;
	size_t len = 0;
	int err = gabi_contract_write(contract, NULL, &text, &len);

	if (err)
		return (diag->err = err);
	err = vmm_place_write(place, "contract.json", text, len, diag);
	gabi_text_free(text, NULL);
	return err;
}

/* The name is a wrong argument, or another's; a place that cannot be made is this machine's fault. */
static enum status complain_place(const struct gabi_diag *diag)
{
	complain("run: %s", *diag->text ? diag->text : gabi_err_text(diag->err));
	return diag->err == GABI_ERR_ARG ? STATUS_USAGE : STATUS_REFUSED;
}

static enum status find_user(const char *name, struct vmm_user *ret_user)
{
	const struct passwd *entry = getpwnam(name);

	if (!entry) {
		complain("run: there is no user '%s'", name);
		return STATUS_USAGE;
	}
	*ret_user = (struct vmm_user){ entry->pw_uid, entry->pw_gid };
	return STATUS_YES;
}

enum status guest_run(struct guest *guest)
{
	const char *name = guest->args->option[OPTION_USER];
	struct gabi_diag diag = { 0 };
	struct vmm_user user;
	enum status status = name ? find_user(name, &user) : STATUS_YES;

	if (status)
		return status;
	guest->user = name ? &user : NULL;
	if (vmm_place_make(guest->args->option[OPTION_NAME], guest->like, &guest->place, &diag))
		return complain_place(&diag);
	status = place_contract(&guest->place, guest->options->terms->contract, &diag) ? complain_place(&diag) : supervise(run_guest, guest);
	vmm_place_remove(&guest->place);
	return status;
}

/* ---- the contract ---- */

enum status guest_settle(const struct args *args, const struct vmm_options *options, struct gabi_contract *contract, const char *path,
			 struct vmm_terms *terms)
{
	const struct vmm_wishes wishes = { options->cpus, options->hyperv, options->forced, options->vtls > 1, options->shim };
	bool is_made = !contract;
	struct gabi_diag diag = { 0 };
	enum status status;
	char title[TITLE_LEN];

	if (vmm_terms_settle(terms, contract, &wishes, &diag))
		return complain_diag(NULL, &diag);
	if (terms->plan)
		return is_made && args->option[OPTION_OUTPUT] ? save_contract(args, terms->contract) : STATUS_YES;
	contract_title(terms->contract, path, title);
	status = print_verdict(title, "this machine", terms->report);
	complain("the guest was not started: its contract does not fit this machine; --force runs it all the same");
	return status ? status : STATUS_NO;
}

static enum status run_settled(const struct args *args, struct vmm_options *options)
{
	struct vmm_terms terms = { 0 };
	struct gabi_contract *contract = NULL;
	const char *path = args->option[OPTION_CONTRACT];
	enum status status = path ? load_contract(path, &contract) : STATUS_YES;

	if (status)
		return status;
	status = guest_settle(args, options, contract, path ? path : "what this machine offers", &terms);
	options->terms = &terms;
	if (!status)
		status = guest_run(&(struct guest){ .args = args, .options = options, .like = args->file[0], .file = args->file[0] });
	vmm_terms_free(&terms);
	return status;
}

static struct vmm_bytes bytes_of(const struct text *text)
{
	return (struct vmm_bytes){ (const unsigned char *)text->at, text->len };
}

/* Before the contract is looked at: what cannot be booted needs none. */
static enum status check_image(const char *path, const struct text *image)
{
	if (vmm_image_kind(bytes_of(image)) != VMM_IMAGE_UNKNOWN)
		return STATUS_YES;
	complain("%s: is neither a Linux bzImage nor an ELF image with a Multiboot header", strcmp(path, "-") ? path : "standard input");
	return STATUS_INPUT;
}

static enum status run_image(const struct args *args)
{
	bool from_input = !strcmp(args->file[0], "-");
	struct vmm_options options = { .memory = (uint64_t)512 << 20, .cpus = 1, .confined = true, .in = from_input ? -1 : STDIN_FILENO, .out = STDOUT_FILENO };
	struct text image = { 0 }, initrd = { 0 };
	enum status status = read_options(args, &options);

	if (!status)
		status = file_read_image(args->file[0], &image);
	if (!status && args->option[OPTION_INITRD])
		status = file_read_image(args->option[OPTION_INITRD], &initrd);
	if (!status)
		status = check_image(args->file[0], &image);
	options.image = bytes_of(&image);
	options.initrd = bytes_of(&initrd);
	if (!status)
		status = run_settled(args, &options);
	free(image.at);
	free(initrd.at);
	return status;
}

/* What comes brings its own contract, size and command line. */
static bool is_of_images(size_t option)
{
	static const size_t options[] = { OPTION_CONTRACT, OPTION_CPUS, OPTION_MEMORY, OPTION_APPEND, OPTION_INITRD, OPTION_HYPERV, OPTION_VSM, OPTION_VSM_EXECUTE,
					  OPTION_OUTPUT };

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i] == option)
			return true;
	return false;
}

enum status run_run(const struct args *args)
{
	bool incoming = args->option[OPTION_INCOMING];

	for (size_t i = 0; incoming && i < OPTION_COUNT; i++) {
		if (!args->option[i] || !is_of_images(i))
			continue;
		complain("run: a guest that comes is what it was: --incoming takes no contract, size, image or command line");
		return STATUS_USAGE;
	}
	if (incoming == (args->files == 1)) {
		complain(incoming ? "run: a guest that comes has no image" : "run: an IMAGE is wanted, or --incoming");
		return STATUS_USAGE;
	}
	return incoming ? run_incoming(args) : run_image(args);
}
#else
enum status run_run(const struct args *args)
{
	(void)args;
	complain("run: guests are run on x86-64 alone, and this machine is none");
	return STATUS_REFUSED;
}
#endif
