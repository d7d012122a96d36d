/* SPDX-License-Identifier: MIT */
/* gabi pin --qemu: the guest of a QEMU command line on a host, and whether the same line gives the same guest on others. */
#include "qemu.h"

#include "file.h"
#include "load.h"
#include "models.h"
#include "rows.h"
#include "save.h"
#include "xml.h"

#include <gabi/libvirt.h>
#include <gabi/qemu.h>
#include <gabi/vocab.h>

#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

/* ---- the line: as it stands, "@FILE", or "-" ---- */

static enum status parse(const char *from, const char *text, size_t len, const struct gabi_model_set *own, struct gabi_qemu **ret_line)
{
	struct gabi_diag diag = { 0 };

	if (!gabi_qemu_parse(text, len, own, NULL, ret_line, &diag))
		return STATUS_YES;
	if (complain_diag(from, &diag) == STATUS_REFUSED)
		return STATUS_REFUSED;
	return from ? STATUS_INPUT : STATUS_USAGE;
}

static enum status read_line(const char *option, const struct gabi_model_set *own, struct gabi_qemu **ret_line)
{
	const char *path = *option == '@' ? option + 1 : option;
	struct text text;
	enum status status;

	if (*option != '@' && strcmp(option, "-"))
		return parse(NULL, option, strlen(option), own, ret_line);
	status = file_read(path, &text);
	if (status)
		return status;
	status = parse(path, text.at, text.len, own, ret_line);
	free(text.at);
	return status;
}

/* ---- a domain of libvirt, as the line that libvirt makes of it ---- */

static enum status line_of_domain(const char *path, const struct gabi_domain *domain, const struct gabi_model_set *own,
				  struct gabi_qemu **ret_line)
{
	const char *machine = gabi_domain_machine(domain);
	enum status status;
	char *text;

	for (size_t i = 0; i < gabi_domain_note_count(domain); i++)
		complain("note: %s", gabi_domain_note(domain, i));
	if (!gabi_domain_is_kvm(domain)) {
		complain("%s: the domain is an emulator's (type='qemu'): its guest sees nothing of the host", path);
		return STATUS_INPUT;
	}
	/* libvirt does not start a checked domain whose guest would lack something. */
	if (asprintf(&text, "-machine %s,accel=kvm -cpu '%s%s' -smp %s", *machine ? machine : "pc", gabi_domain_cpu(domain),
		     gabi_domain_is_checked(domain) ? ",enforce" : "", gabi_domain_smp(domain)) < 0) {
		complain("out of memory");
		return STATUS_REFUSED;
	}
	status = parse(path, text, strlen(text), own, ret_line);
	free(text);
	return status;
}

static enum status read_domain(const char *path, const struct gabi_host *host, const struct gabi_model_set *own,
			       struct gabi_qemu **ret_line)
{
	struct gabi_diag diag = { 0 };
	struct gabi_domain *domain;
	struct gabi_xml *xml;
	struct text text;
	enum status status = file_read(path, &text);

	if (status)
		return status;
	status = xml_parse(path, &text, &xml);
	free(text.at);
	if (status)
		return status;
	if (gabi_domain_read(xml_root(xml), host, NULL, &domain, &diag)) {
		status = complain_diag(path, &diag);
	} else {
		status = line_of_domain(path, domain, own, ret_line);
		gabi_domain_free(domain);
	}
	xml_free(xml);
	return status;
}

/* ---- one host ---- */

static void complain_notes(const struct gabi_qemu *line, const struct gabi_qemu_guest *guest)
{
	for (size_t i = 0; i < gabi_qemu_note_count(line); i++)
		complain("note: %s", gabi_qemu_note(line, i));
	for (size_t i = 0; i < gabi_qemu_guest_note_count(guest); i++)
		complain("note: %s", gabi_qemu_guest_note(guest, i));
}

/* The names of the fields of which the bits are part, after one another. */
static size_t print_bits(FILE *out, const struct gabi_key *key, uint64_t bits, size_t printed)
{
	size_t count;
	const struct gabi_field *field = gabi_fields_of(key, &count);

	for (size_t i = 0; i < count; i++) {
		uint64_t mask = field[i].bits < 64 ? ((UINT64_C(1) << field[i].bits) - 1) << field[i].lo : UINT64_MAX;
		char name[96];

		if (!(bits & mask))
			continue;
		gabi_field_print(&field[i], key, name, sizeof(name));
		fprintf(out, "%s%s", printed++ ? " " : "", name);
		bits &= ~mask;
	}
	if (bits) {
		char name[64];

		gabi_key_print(key, name, sizeof(name));
		fprintf(out, "%s%s", printed++ ? ", " : "", name);
	}
	return printed;
}

static void complain_losses(const struct gabi_qemu_guest *guest)
{
	size_t count, len, printed = 0;
	const struct gabi_qemu_loss *loss = gabi_qemu_guest_losses(guest, &count);
	char *text = NULL;
	FILE *out = count ? open_memstream(&text, &len) : NULL;

	for (size_t i = 0; out && i < count; i++)
		printed = print_bits(out, &loss[i].key, loss[i].bits, printed);
	if (out)
		fclose(out);
	if (text)
		complain("note: the host lacks what is asked for: %s; QEMU starts without it, unless enforce is on", text);
	free(text);
}

/* An error of the line is the user's, wherever it shows. */
static enum status start(const struct gabi_qemu *line, const struct gabi_host *host, const char *path,
			 struct gabi_qemu_guest **ret_guest)
{
	struct gabi_diag diag = { 0 };
	int err = gabi_qemu_start(line, host, NULL, ret_guest, &diag);

	if (!err)
		return STATUS_YES;
	if (err == GABI_ERR_ARG)
		return complain_diag(path, &diag), STATUS_INPUT;
	return complain_diag(NULL, &diag) == STATUS_REFUSED ? STATUS_REFUSED : STATUS_USAGE;
}

static enum status save(const struct args *args, struct gabi_contract *contract)
{
	if (args->option[OPTION_NAME] && gabi_contract_set_name(contract, args->option[OPTION_NAME])) {
		complain("out of memory");
		return STATUS_REFUSED;
	}
	return save_contract(args, contract);
}

/* ---- other hosts ---- */

static uint64_t value_in(const struct gabi_contract *contract, const struct gabi_key *key)
{
	const struct gabi_word *word = gabi_contract_find(contract, key, GABI_VP_ALL);

	return word ? word->value : 0;
}

/* What differs; saved state, of which a kernel brings many registers at once, is counted and not named. */
struct differences {
	FILE *out;
	size_t printed, saved;
};

static void add_difference(struct differences *differences, const struct gabi_key *key, uint64_t bits)
{
	if (key->space == GABI_SPACE_MSR_STATE || key->space == GABI_SPACE_ARM64_STATE)
		differences->saved += bits != 0;
	else if (bits)
		differences->printed = print_bits(differences->out, key, bits, differences->printed);
}

/* Each name once: words of the one, then those that only the other has. */
static size_t print_differences(FILE *out, const struct gabi_contract *here, const struct gabi_contract *there)
{
	struct differences differences = { .out = out };
	size_t count;
	const struct gabi_word *word = gabi_contract_words(here, &count);

	for (size_t i = 0; i < count; i++)
		add_difference(&differences, &word[i].key, word[i].value ^ value_in(there, &word[i].key));
	word = gabi_contract_words(there, &count);
	for (size_t i = 0; i < count; i++)
		if (!gabi_contract_find(here, &word[i].key, GABI_VP_ALL))
			add_difference(&differences, &word[i].key, word[i].value);
	if (differences.saved)
		fprintf(out, "%s%zu saved register%s", differences.printed ? ", " : "", differences.saved,
			differences.saved == 1 ? "" : "s");
	return differences.printed + differences.saved;
}

struct comparison {
	const struct gabi_qemu *line;
	const struct gabi_qemu_guest *first; /* NULL until it is there */
	struct rows rows;
	size_t differ;
};

static void add_row(struct comparison *comparison, const char *title, const struct gabi_qemu_guest *guest)
{
	const char *refusal = gabi_qemu_guest_refusal(guest), *first = gabi_qemu_guest_refusal(comparison->first);
	char *text = NULL;
	size_t len, count = 0;
	FILE *out = NULL;

	if (refusal || first) {
		rows_add(&comparison->rows, COLOR_CARE,
			 (const char *[]){ refusal ? "refused" : "starts", title,
					    refusal ? refusal : "refused on the first host" });
		return;
	}
	out = open_memstream(&text, &len);
	if (out) {
		count = print_differences(out, gabi_qemu_guest_contract(comparison->first), gabi_qemu_guest_contract(guest));
		fclose(out);
	}
	comparison->differ += count > 0;
	rows_add(&comparison->rows, count ? COLOR_BAD : COLOR_GOOD,
		 (const char *[]){ count ? "differs" : "same guest", title, text ? text : "out of memory" });
	free(text);
}

static enum status compare_host(struct comparison *comparison, const struct fleet_host *host)
{
	struct gabi_qemu_guest *guest;
	enum status status;

	if (gabi_host_arch(host->host) != gabi_qemu_arch(comparison->line)) {
		rows_add(&comparison->rows, COLOR_DIM, (const char *[]){ "refused", host->title, "another architecture" });
		return STATUS_YES;
	}
	status = start(comparison->line, host->host, host->path, &guest);
	if (status)
		return status;
	add_row(comparison, host->title, guest);
	gabi_qemu_guest_free(guest);
	return STATUS_YES;
}

static enum status compare(const struct args *args, struct comparison *comparison)
{
	static const struct column columns[] = { { "GUEST" }, { "HOST" }, { "WHERE", .wraps = true } };
	struct fleet fleet;
	enum status status = fleet_load(args, args->file + 1, args->files - 1, &fleet);

	if (status)
		return status;
	rows_begin(&comparison->rows, args->option[OPTION_JSON]);
	rows_text(&comparison->rows, "machine", "Machine", gabi_qemu_machine(comparison->line));
	rows_text(&comparison->rows, "cpu", "CPU", gabi_qemu_cpu(comparison->line));
	rows_open(&comparison->rows, "hosts", "Beside the first host", columns, COUNT_OF(columns));
	for (size_t i = 0; !status && i < fleet.count; i++)
		status = compare_host(comparison, &fleet.at[i]);
	rows_close(&comparison->rows);
	rows_end(&comparison->rows);
	fleet_free(&fleet);
	return status ? status : comparison->differ ? STATUS_NO : STATUS_YES;
}

/* ---- the whole ---- */

/* The contract goes to the output, beside other hosts only where a file is given for it: the table is printed then. */
static enum status finish(const struct args *args, const struct gabi_qemu *line, struct gabi_qemu_guest *guest)
{
	struct comparison comparison = { .line = line, .first = guest };
	const char *refusal = gabi_qemu_guest_refusal(guest);
	enum status status = STATUS_YES;

	complain_notes(line, guest);
	complain_losses(guest);
	if (refusal)
		complain("%s: QEMU would not start: %s", args->file[0], refusal);
	else if (args->files == 1 || args->option[OPTION_OUTPUT])
		status = save(args, gabi_qemu_guest_contract(guest));
	if (!status && args->files > 1)
		status = compare(args, &comparison);
	return refusal && !status ? STATUS_REFUSED : status;
}

static enum status check_usage(const struct args *args)
{
	if (!args->option[OPTION_QEMU] == !args->option[OPTION_LIBVIRT])
		complain("pin: other hosts are compared, models are read and JSON is printed with one of --qemu and --libvirt alone");
	else if (args->option[OPTION_MINUS] || args->option[OPTION_EVMCS] || args->option[OPTION_FIRECRACKER] ||
		 args->option[OPTION_CLOUD])
		complain("pin: --qemu and --libvirt say what the guest has; --minus, --evmcs and what other VMMs are told go without it");
	else
		return STATUS_YES;
	return STATUS_USAGE;
}

enum status pin_qemu(const struct args *args)
{
	struct gabi_qemu_guest *guest = NULL;
	struct gabi_model_set *own = NULL;
	struct gabi_host *host = NULL;
	struct gabi_qemu *line = NULL;
	enum status status = check_usage(args);

	if (!status)
		status = models_load(args, &own);
	if (!status)
		status = load_host(args, args->file[0], &host);
	if (!status && args->option[OPTION_QEMU])
		status = read_line(args->option[OPTION_QEMU], own, &line);
	else if (!status)
		status = read_domain(args->option[OPTION_LIBVIRT], host, own, &line);
	if (!status)
		status = start(line, host, args->file[0], &guest);
	if (!status)
		status = finish(args, line, guest);
	gabi_qemu_guest_free(guest);
	gabi_host_free(host);
	gabi_qemu_free(line);
	gabi_model_set_free(own);
	return status;
}
