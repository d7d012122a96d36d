/* SPDX-License-Identifier: MIT */
/* QEMU's command line, or a file of its -readconfig: what of it touches the CPU that the guest sees. */
#include "base/nearest.h"
#include "contract/qemu.h"

#include <stdarg.h>
#include <string.h>

/* The newest machines: what "pc" and "q35" mean where nothing else is said. query-machines of QEMU 11.1. */
#define NEWEST_MAJOR 11
#define NEWEST_MINOR 1
/* Older ones have compatibility properties of their own that have no rows. */
#define OLDEST_MAJOR 4
#define OLDEST_MINOR 1

struct reader {
	struct gabi_qemu *line;
	struct gabi_diag *diag;
	char *at, *end;     /* the text that is left; words are cut out in place */
	const struct gabi_model_set *own; /* models beside the built-in ones */
	const char *cpu;    /* the last -cpu */
	const char *family; /* "pc-q35", "pc-i440fx" or "virt" */
	const char *unversioned; /* the alias that was given, or NULL */
	bool kvm, other_accelerator, passed;
	uint64_t smp[8];    /* by enum smp; 0: not given */
	char passed_over[160];
	struct gabi_out names;
};

enum smp { CPUS, SOCKETS, DIES, CLUSTERS, MODULES, CORES, THREADS, MAXCPUS };

/* ---- notes ---- */

int gabi_notes_add(struct gabi_notes *notes, const struct gabi_mem *mem, ...)
{
	char *text = NULL;
	struct gabi_out out = gabi_out_to(NULL, 0);

	for (unsigned pass = 0; pass < 2; pass++) { /* first its length */
		va_list pieces;

		va_start(pieces, mem);
		for (const char *piece; (piece = va_arg(pieces, const char *));)
			gabi_out_text(&out, piece);
		va_end(pieces);
		if (pass)
			break;
		text = gabi_mem_get(mem, out.len + 1);
		if (!text || gabi_mem_room(mem, (void **)&notes->at, &notes->cap, notes->count, sizeof(text))) {
			gabi_mem_put(mem, text);
			return GABI_ERR_NOMEM;
		}
		out = gabi_out_to(text, out.len + 1);
	}
	notes->at[notes->count++] = text;
	return 0;
}

void gabi_notes_free(struct gabi_notes *notes, const struct gabi_mem *mem)
{
	for (size_t i = 0; i < notes->count; i++)
		gabi_mem_put(mem, notes->at[i]);
	gabi_mem_put(mem, notes->at);
	*notes = (struct gabi_notes){ 0 };
}

static int nomem(struct gabi_diag *diag)
{
	return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
}

/* ---- words, as a shell cuts them ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(struct reader *reader)
{
	while (reader->at < reader->end) {
		if (*reader->at == '#') /* a comment: it begins where a word could */
			while (reader->at < reader->end && *reader->at != '\n')
				reader->at++;
		else if (*reader->at == '\\' && reader->end - reader->at > 1 && reader->at[1] == '\n')
			reader->at += 2;
		else if (is_blank(*reader->at))
			reader->at++;
		else
			return;
	}
}

/* One quoted or bare piece of a word, copied to *to; false at an open quote. */
static bool take_piece(struct reader *reader, char **to)
{
	char quote = *reader->at;

	if (quote != '\'' && quote != '"') {
		if (quote == '\\' && ++reader->at == reader->end)
			return true;
		if (quote != '\\' || *reader->at != '\n')
			*(*to)++ = *reader->at;
		reader->at++;
		return true;
	}
	for (reader->at++; reader->at < reader->end && *reader->at != quote; reader->at++) {
		if (quote == '"' && *reader->at == '\\' && reader->end - reader->at > 1 && strchr("\\\"$`\n", reader->at[1]))
			reader->at++;
		*(*to)++ = *reader->at;
	}
	return reader->at++ < reader->end;
}

/* The next word, cut out in place; NULL at the end, or with an error. */
static char *next_word(struct reader *reader, int *ret_err)
{
	char *word, *to;

	skip_blanks(reader);
	*ret_err = 0;
	if (reader->at >= reader->end)
		return NULL;
	word = to = reader->at;
	while (reader->at < reader->end && !is_blank(*reader->at)) {
		if (!take_piece(reader, &to)) {
			*ret_err = gabi_fail(reader->diag, GABI_ERR_SYNTAX, "a quote is opened and not closed", (char *)NULL);
			return NULL;
		}
	}
	if (reader->at < reader->end)
		reader->at++; /* the blank behind it becomes the NUL */
	*to = '\0';
	return word;
}

/* ---- "a=b,c,d=e" ---- */

/* The next "name=value" of a list, cut out in place; value "on" where there is none. QEMU writes a comma as two. */
static bool next_pair(char **list, char **ret_name, char **ret_value)
{
	char *from = *list, *to = *list, *equals = NULL;

	if (!from || !*from)
		return false;
	*ret_name = from;
	for (; *from && (*from != ',' || from[1] == ','); from++) {
		from += *from == ',';
		if (*from == '=' && !equals)
			equals = to;
		*to++ = *from;
	}
	*list = *from ? from + 1 : from;
	*to = '\0';
	*ret_value = equals ? equals + 1 : NULL;
	if (equals)
		*equals = '\0';
	for (char *c = *ret_name; *c; c++)
		if (*c == '_')
			*c = '-';
	return true;
}

static int unforeseen(struct reader *reader, const char *what)
{
	return gabi_fail(reader->diag, GABI_ERR_UNSUPPORTED, "what \"", what, "\" does to the guest's CPU is not foreseen here",
			 (char *)NULL);
}

/* ---- -accel, -machine ---- */

static int take_accelerators(struct reader *reader, const char *list)
{
	while (*list) {
		size_t len = strcspn(list, ":");

		if (len == 3 && !memcmp(list, "kvm", 3))
			reader->kvm |= !reader->other_accelerator; /* the first that works is taken */
		else
			reader->other_accelerator = true;
		list += len + (list[len] == ':');
	}
	return 0;
}

static int take_irqchip(struct reader *reader, const char *value)
{
	int on = value ? gabi_switch_of(value) : 1;

	if (value && !strcmp(value, "split"))
		reader->line->irqchip = GABI_IRQCHIP_SPLIT;
	else if (on >= 0)
		reader->line->irqchip = on ? GABI_IRQCHIP_ON : GABI_IRQCHIP_OFF;
	else
		return gabi_fail(reader->diag, GABI_ERR_RANGE, "kernel-irqchip is on, off or split, and not \"", value, "\"",
				 (char *)NULL);
	return 0;
}

static int take_accel(struct reader *reader, char *list)
{
	char *name, *value;
	int err = 0;

	for (bool first = true; !err && next_pair(&list, &name, &value); first = false) {
		if (first && !value)
			err = take_accelerators(reader, name);
		else if (!strcmp(name, "accel") && value)
			err = take_accelerators(reader, value);
		else if (!strcmp(name, "kernel-irqchip"))
			err = take_irqchip(reader, value);
	}
	return err;
}

static bool take_number(const char **text, unsigned *ret_number)
{
	const char *from = *text;

	for (*ret_number = 0; **text >= '0' && **text <= '9' && *text - from < 4; (*text)++)
		*ret_number = *ret_number * 10 + (unsigned)(**text - '0');
	return *text > from;
}

static int unknown_machine(struct reader *reader, const char *name)
{
	return gabi_fail(reader->diag, GABI_ERR_UNKNOWN, "there is no machine \"", name,
			 "\" here; there are pc-q35 and pc-i440fx of 4.1 to 11.1, as in \"pc-q35-7.2\", and q35 and pc",
			 (char *)NULL);
}

static bool is_older(unsigned major, unsigned minor, unsigned than_major, unsigned than_minor)
{
	return major < than_major || (major == than_major && minor < than_minor);
}

static int take_machine_type(struct reader *reader, const char *name)
{
	static const char *const families[] = { "pc-q35", "pc-i440fx", "virt" };
	static const char *const unversioned[] = { "q35", "pc", "virt" };
	unsigned major, minor;

	reader->unversioned = NULL;
	for (size_t i = 0; i < GABI_COUNT_OF(families); i++) {
		if (strcmp(name, unversioned[i]))
			continue;
		reader->family = families[i];
		reader->unversioned = name;
		return 0;
	}
	for (size_t i = 0; i < GABI_COUNT_OF(families); i++) {
		size_t len = strlen(families[i]);
		const char *at = name + len + 1;

		if (strncmp(name, families[i], len) || name[len] != '-' || !take_number(&at, &major) || *at++ != '.' ||
		    !take_number(&at, &minor) || *at || is_older(major, minor, OLDEST_MAJOR, OLDEST_MINOR) ||
		    is_older(NEWEST_MAJOR, NEWEST_MINOR, major, minor))
			continue;
		reader->family = families[i];
		reader->line->major = major;
		reader->line->minor = minor;
		return 0;
	}
	return unknown_machine(reader, name);
}

static int take_machine_pair(struct reader *reader, const char *name, const char *value)
{
	if (!strcmp(name, "type") && value)
		return take_machine_type(reader, value);
	if (!strcmp(name, "accel") && value)
		return take_accelerators(reader, value);
	if (!strcmp(name, "kernel-irqchip"))
		return take_irqchip(reader, value);
	if (!strcmp(name, "mte"))
		reader->line->mte = value && gabi_switch_of(value) > 0;
	if ((!strcmp(name, "virtualization") || !strcmp(name, "secure")) && value && gabi_switch_of(value) > 0)
		return unforeseen(reader, name);
	if (!strcmp(name, "confidential-guest-support") || !strcmp(name, "memory-encryption") || !strncmp(name, "sgx-epc", 7))
		return unforeseen(reader, name);
	return 0; /* devices, memory, firmware */
}

static int take_machine(struct reader *reader, char *list)
{
	char *name, *value;
	int err = 0;

	for (bool first = true; !err && next_pair(&list, &name, &value); first = false)
		err = first && !value ? take_machine_type(reader, name) : take_machine_pair(reader, name, value);
	return err;
}

/* ---- -smp ---- */

static int take_smp(struct reader *reader, char *list)
{
	static const char *const names[] = { "cpus", "sockets", "dies", "clusters", "modules", "cores", "threads", "maxcpus" };
	char *name, *value;

	for (bool first = true; next_pair(&list, &name, &value); first = false) {
		const char *number = value ? value : name;
		size_t i = 0;

		while (value && i < GABI_COUNT_OF(names) && strcmp(name, names[i]))
			i++;
		if (i == GABI_COUNT_OF(names) || (!value && !first))
			return gabi_fail(reader->diag, GABI_ERR_UNKNOWN, "-smp has no \"", name, "\"", (char *)NULL);
		if (!gabi_number_of(number, &reader->smp[i]) || !reader->smp[i] || reader->smp[i] > 4096)
			return gabi_fail(reader->diag, GABI_ERR_RANGE, "-smp wants numbers from 1 to 4096, and not \"", number,
					 "\"", (char *)NULL);
	}
	return 0;
}

/* The parts that are not given, as QEMU makes them up: machines since 6.2 prefer cores, older ones sockets. */
static int finish_smp(struct reader *reader)
{
	uint64_t *smp = reader->smp, all = smp[MAXCPUS] ? smp[MAXCPUS] : smp[CPUS], fixed, *open;
	bool sockets_first = is_older(reader->line->major, reader->line->minor, 6, 2);

	for (size_t i = DIES; i <= MODULES; i++)
		smp[i] = smp[i] ? smp[i] : 1;
	open = sockets_first ? &smp[SOCKETS] : &smp[CORES];
	if (*open)
		open = sockets_first ? &smp[CORES] : &smp[SOCKETS];
	if (*open)
		open = &smp[THREADS];
	if (!all || *open)
		open = NULL;
	for (size_t i = SOCKETS; i <= THREADS; i++)
		if (&smp[i] != open && !smp[i])
			smp[i] = 1;
	fixed = 1;
	for (size_t i = SOCKETS; i <= THREADS; i++)
		fixed *= &smp[i] == open ? 1 : smp[i]; /* 4096 to the 6th at most: no overflow of what is compared below */
	if (open)
		*open = all / fixed ? all / fixed : 1;
	if (open)
		fixed *= *open;
	if (all && fixed != all)
		return gabi_fail(reader->diag, GABI_ERR_CONFLICT,
				 "-smp: sockets, dies, cores and threads do not make up the processors", (char *)NULL);
	reader->line->dies = (unsigned)smp[DIES];
	reader->line->threads_per_die = (unsigned)(smp[CLUSTERS] * smp[MODULES] * smp[CORES] * smp[THREADS]);
	reader->line->threads_per_package = (unsigned)(smp[DIES] * reader->line->threads_per_die);
	return 0;
}

/* ---- what else can touch the CPU ---- */

static int take_overcommit(struct reader *reader, char *list)
{
	char *name, *value;

	while (next_pair(&list, &name, &value))
		if (!strcmp(name, "cpu-pm") && value && gabi_switch_of(value))
			return unforeseen(reader, "-overcommit cpu-pm");
	return 0;
}

static int take_global(struct reader *reader, const char *text)
{
	return strstr(text, "x86_64-cpu") || strstr(text, "i386-cpu") || !strncmp(text, "driver=cpu", 10)
		       ? unforeseen(reader, "-global of a CPU; say it in -cpu")
		       : 0;
}

enum what { MACHINE, CPU, ACCEL, SMP, KVM, OVERCOMMIT, GLOBAL, REFUSED, PASSED };

static const struct option {
	const char *name;
	bool has_argument;
	enum what what;
} options[] = {
#define GABI_QEMU_LINE_ROW(option, argument, of) { option, argument, of },
#include <models/qemu_line.def>
};

static void pass_over(struct reader *reader, const char *name)
{
	if (reader->passed)
		gabi_out_text(&reader->names, ", ");
	gabi_out_text(&reader->names, "-");
	gabi_out_text(&reader->names, name);
	reader->passed = true;
}

static int take_option(struct reader *reader, const struct option *option, char *argument)
{
	switch (option->what) {
	case CPU:
		reader->cpu = argument;
		return 0;
	case MACHINE:
		return take_machine(reader, argument);
	case ACCEL:
		return take_accel(reader, argument);
	case SMP:
		return take_smp(reader, argument);
	case KVM:
		reader->kvm = true;
		return 0;
	case OVERCOMMIT:
		return take_overcommit(reader, argument);
	case GLOBAL:
		return take_global(reader, argument);
	case REFUSED:
		return unforeseen(reader, option->name);
	case PASSED:
		pass_over(reader, option->name);
		return 0;
	}
	return GABI_ERR_ARG;
}

static const struct option *option_named(const char *name)
{
	for (size_t i = 0; i < GABI_COUNT_OF(options); i++)
		if (!strcmp(name, options[i].name))
			return &options[i];
	return NULL;
}

static int unknown_option(struct reader *reader, const char *name)
{
	struct gabi_nearest nearest = { .wanted = name };
	char text[3 * 64 + 32];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	for (size_t i = 0; i < GABI_COUNT_OF(options); i++)
		gabi_nearest_offer(&nearest, options[i].name, strlen(options[i].name));
	gabi_nearest_print(&nearest, &out);
	return gabi_fail(reader->diag, GABI_ERR_UNKNOWN, "QEMU has no option \"-", name, "\"", text, (char *)NULL);
}

/* "-name argument"; what does not begin with '-' is the program, before the options, or a disk image. */
static int take_words(struct reader *reader)
{
	int err;

	for (char *word; (word = next_word(reader, &err));) {
		const struct option *option;
		char *argument = NULL;

		if (*word != '-' || !word[1])
			continue;
		word += 1 + (word[1] == '-');
		option = option_named(word);
		if (!option)
			return unknown_option(reader, word);
		if (option->has_argument) {
			argument = next_word(reader, &err);
			if (err)
				return err;
			if (!argument)
				return gabi_fail(reader->diag, GABI_ERR_SYNTAX, "\"-", word, "\" wants an argument",
						 (char *)NULL);
		}
		err = take_option(reader, option, argument);
		if (err)
			return err;
	}
	return err;
}

/* ---- -readconfig: [group "id"], then key = "value" ---- */

static char *next_line(struct reader *reader)
{
	char *line = reader->at, *end;

	if (reader->at >= reader->end)
		return NULL;
	end = memchr(line, '\n', (size_t)(reader->end - line));
	reader->at = end ? end + 1 : reader->end;
	if (!end)
		end = reader->end;
	while (end > line && is_blank(end[-1]))
		end--;
	*end = '\0';
	while (is_blank(*line))
		line++;
	return line;
}

static int bad_line(struct reader *reader, unsigned number)
{
	if (reader->diag)
		reader->diag->line = number;
	return gabi_fail(reader->diag, GABI_ERR_SYNTAX, "a line is [group], [group \"id\"] or key = \"value\"", (char *)NULL);
}

/* key = "value" in place, as "key=value"; QEMU's form allows nothing else. */
static char *pair_of(char *line)
{
	char *key = line, *to = line + strcspn(line, " \t="), *from = to;

	from += strspn(from, " \t");
	if (to == key || *from++ != '=')
		return NULL;
	from += strspn(from, " \t");
	if (*from++ != '"')
		return NULL;
	*to++ = '=';
	while (*from && *from != '"')
		*to++ = *from++;
	if (*from != '"' || from[1])
		return NULL;
	*to = '\0';
	return key;
}

static int take_config_pair(struct reader *reader, const char *group, char *pair)
{
	if (!strcmp(group, "machine"))
		return take_machine(reader, pair);
	if (!strcmp(group, "smp-opts"))
		return take_smp(reader, pair);
	if (!strcmp(group, "accel"))
		return take_accel(reader, pair);
	if (!strcmp(group, "overcommit"))
		return take_overcommit(reader, pair);
	if (!strcmp(group, "global"))
		return take_global(reader, pair);
	return 0; /* devices, drives and the like */
}

static int take_config(struct reader *reader)
{
	char group[32] = "";
	unsigned number = 0;
	int err = 0;

	for (char *line; !err && (line = next_line(reader));) {
		char *pair;
		size_t len;

		number++;
		if (!*line || *line == '#')
			continue;
		if (*line == '[') {
			len = strcspn(line + 1, " \t]");
			if (!len || len >= sizeof(group) || !strchr(line, ']'))
				return bad_line(reader, number);
			memcpy(group, line + 1, len);
			group[len] = '\0';
			continue;
		}
		pair = pair_of(line);
		if (!pair || !*group)
			return bad_line(reader, number);
		err = take_config_pair(reader, group, pair);
	}
	return err;
}

/* ---- the whole ---- */

static int note(struct reader *reader, const char *text, const char *name, const char *rest)
{
	return gabi_notes_add(&reader->line->notes, &reader->line->mem, text, name, rest, (char *)NULL) ? nomem(reader->diag)
													: 0;
}

/* Whose CPU the argument names; GABI_ARCH_ANY where that is the host's or is not known. */
static enum gabi_arch arch_of(const char *cpu)
{
	char name[64];
	struct gabi_out out = gabi_out_to(name, sizeof(name));
	const struct gabi_model *model;

	gabi_out_bytes(&out, cpu ? cpu : "", cpu ? strcspn(cpu, ",") : 0);
	model = gabi_model_find(name);
	return model ? model->arch : GABI_ARCH_ANY;
}

static int finish_machine(struct reader *reader)
{
	struct gabi_qemu *line = reader->line;
	struct gabi_out out = gabi_out_to(line->machine, sizeof(line->machine));
	bool is_versioned = reader->family && !reader->unversioned;

	if (!reader->family)
		reader->family = arch_of(reader->cpu) == GABI_ARCH_ARM64 ? "virt" : "pc-i440fx";
	line->arm64 = !strcmp(reader->family, "virt");
	if (!is_versioned) {
		line->major = NEWEST_MAJOR;
		line->minor = NEWEST_MINOR;
	}
	gabi_out_text(&out, reader->family);
	gabi_out_text(&out, "-");
	gabi_out_dec(&out, line->major);
	gabi_out_text(&out, ".");
	gabi_out_dec(&out, line->minor);
	gabi_out_text(&out, line->arm64 && line->mte ? ",mte=on" : "");
	return is_versioned
		       ? 0
		       : note(reader, "assumed machine ", line->machine,
			      reader->unversioned ? ": an alias is another machine with every QEMU" : ": no -machine is given");
}

/* The argument in QEMU's words; what was meant by a name that QEMU does not have is said. */
static int take_cpu(struct reader *reader, const char *cpu)
{
	struct gabi_qemu *line = reader->line;
	size_t len = strcspn(cpu, ","), told;
	int err = gabi_model_set_argument(reader->own, cpu, strlen(cpu), &line->mem, &line->cpu, reader->diag);

	if (!err && arch_of(line->cpu) != GABI_ARCH_ANY && arch_of(line->cpu) != gabi_qemu_arch(line))
		err = gabi_fail(reader->diag, GABI_ERR_CONFLICT, line->machine, " is no machine of a CPU of ", gabi_arch_text(arch_of(line->cpu)),
				(char *)NULL);
	told = err ? 0 : strlen(line->cpu);
	if (err || (!strncmp(line->cpu, cpu, told) && !cpu[told + strspn(cpu + told, " \n")]))
		return err;
	return note(reader, strncmp(line->cpu, cpu, len + 1) ? "QEMU has no model of that name, and is told -cpu '" :
		    "a set of Hyper-V flags is no name of QEMU's, which is told -cpu '", line->cpu, "'");
}

static int finish(struct reader *reader, bool is_part)
{
	int err = finish_machine(reader);

	if (!err)
		err = finish_smp(reader);
	if (!err && !is_part && !reader->kvm)
		err = gabi_fail(reader->diag, GABI_ERR_UNSUPPORTED,
				"this line starts an emulated CPU, of which no host says anything; "
				"-accel kvm makes it one of the host's",
				(char *)NULL);
	if (!err && !reader->kvm)
		err = note(reader, "assumed KVM", "", "");
	if (!err && !reader->cpu && reader->line->arm64)
		err = gabi_fail(reader->diag, GABI_ERR_UNSUPPORTED, "no -cpu is given, and virt's own is not one of KVM's: -cpu host is", (char *)NULL);
	if (!err && !reader->cpu)
		err = note(reader, "assumed CPU qemu64", "", ": no -cpu is given");
	if (!err && reader->passed)
		err = note(reader, "passed over: ", reader->passed_over,
			   reader->names.len >= sizeof(reader->passed_over) ? "..." : "");
	if (err)
		return err;
	return take_cpu(reader, reader->cpu ? reader->cpu : "qemu64");
}

static bool is_option(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] == '-' && (i == 0 || is_blank(text[i - 1])))
			return true;
	return false;
}

/* A text that begins with an option is a part of a line, which may leave out that KVM is meant; one that begins with the
 * program is a whole one, and says it. */
static int read_text(struct reader *reader)
{
	bool is_part;
	int err;

	skip_blanks(reader);
	if (reader->at == reader->end)
		return gabi_fail(reader->diag, GABI_ERR_SYNTAX, "the command line is empty", (char *)NULL);
	is_part = *reader->at == '[' || *reader->at == '-';
	if (*reader->at == '[') {
		err = take_config(reader);
	} else if (is_option(reader->at, (size_t)(reader->end - reader->at))) {
		err = take_words(reader);
	} else {
		is_part = true;
		reader->cpu = next_word(reader, &err);
		if (!err && next_word(reader, &err))
			err = gabi_fail(reader->diag, GABI_ERR_SYNTAX,
					"neither a command line nor the argument of -cpu, which has no spaces", (char *)NULL);
	}
	return err ? err : finish(reader, is_part && !reader->other_accelerator);
}

int gabi_qemu_parse(const char *text, size_t len, const struct gabi_model_set *models, const struct gabi_mem *mem,
		    struct gabi_qemu **ret_line, struct gabi_diag *diag)
{
	struct gabi_mem own = gabi_mem_or_default(mem);
	struct reader reader = { .diag = diag, .own = models };
	char *copy;
	int err;

	if (len > GABI_QEMU_MAX_LEN)
		return gabi_fail(diag, GABI_ERR_LIMIT, "a command line has at most 65536 bytes", (char *)NULL);
	if (memchr(text, '\0', len))
		return gabi_fail(diag, GABI_ERR_SYNTAX, "a command line holds no NUL", (char *)NULL);
	copy = gabi_mem_get(&own, len + 1);
	reader.line = gabi_mem_get(&own, sizeof(*reader.line));
	if (!copy || !reader.line) {
		gabi_mem_put(&own, copy);
		gabi_mem_put(&own, reader.line);
		return nomem(diag);
	}
	reader.line->mem = own;
	reader.names = gabi_out_to(reader.passed_over, sizeof(reader.passed_over));
	memcpy(copy, text, len);
	reader.at = copy;
	reader.end = copy + len;
	err = read_text(&reader);
	gabi_mem_put(&own, copy);
	if (err)
		gabi_qemu_free(reader.line);
	else
		*ret_line = reader.line;
	return err;
}

void gabi_qemu_free(struct gabi_qemu *line)
{
	struct gabi_mem mem;

	if (!line)
		return;
	mem = line->mem;
	gabi_notes_free(&line->notes, &mem);
	gabi_mem_put(&mem, line->cpu);
	gabi_mem_put(&mem, line);
}

enum gabi_arch gabi_qemu_arch(const struct gabi_qemu *line)
{
	return line->arm64 ? GABI_ARCH_ARM64 : GABI_ARCH_X86;
}

unsigned gabi_qemu_release(const struct gabi_qemu *line)
{
	return line->major;
}

const char *gabi_qemu_machine(const struct gabi_qemu *line)
{
	return line->machine;
}

const char *gabi_qemu_cpu(const struct gabi_qemu *line)
{
	return line->cpu;
}

size_t gabi_qemu_note_count(const struct gabi_qemu *line)
{
	return line->notes.count;
}

const char *gabi_qemu_note(const struct gabi_qemu *line, size_t at)
{
	return line->notes.at[at];
}
