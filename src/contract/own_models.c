/* SPDX-License-Identifier: MIT */
/* Models that QEMU does not have: a user's, and our composites. Each is a name for the beginning of a -cpu argument. */
#include <gabi/cpu_string.h>

#include "base/base.h"
#include "base/nearest.h"
#include "contract/hyperv_sets.h"

#include <string.h>

#define NAME_MAX_LEN 63

struct gabi_model_set {
	struct gabi_mem mem;
	struct gabi_model *at;
	size_t count, cap;
};

static int nomem(struct gabi_diag *diag)
{
	return gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
}

/* ---- the set ---- */

int gabi_model_set_new(const struct gabi_mem *mem, struct gabi_model_set **ret_set)
{
	const struct gabi_mem own = gabi_mem_or_default(mem);
	struct gabi_model_set *set = gabi_mem_get(&own, sizeof(*set));

	if (!set)
		return GABI_ERR_NOMEM;
	set->mem = own;
	*ret_set = set;
	return 0;
}

static void free_row(const struct gabi_model *row, const struct gabi_mem *mem)
{
	gabi_mem_put(mem, (void *)(uintptr_t)row->name); /* one allocation holds all texts */
}

void gabi_model_set_free(struct gabi_model_set *set)
{
	struct gabi_mem mem;

	if (!set)
		return;
	mem = set->mem;
	for (size_t i = 0; i < set->count; i++)
		free_row(&set->at[i], &mem);
	gabi_mem_put(&mem, set->at);
	gabi_mem_put(&mem, set);
}

const struct gabi_model *gabi_model_set_models(const struct gabi_model_set *set, size_t *ret_count)
{
	*ret_count = set ? set->count : 0;
	return set ? set->at : NULL;
}

const struct gabi_model *gabi_model_set_find(const struct gabi_model_set *set, const char *name)
{
	size_t count;
	const struct gabi_model *model = gabi_model_set_models(set, &count);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(model[i].name, name))
			return &model[i];
	return gabi_model_find(name);
}

int gabi_model_unknown(const struct gabi_model_set *own, const char *name, struct gabi_diag *diag)
{
	struct gabi_nearest nearest = { .wanted = name };
	char text[3 * 64 + 32];
	struct gabi_out out = gabi_out_to(text, sizeof(text));
	size_t count;
	const struct gabi_model_alias *alias = gabi_model_aliases(&count);
	const struct gabi_hyperv_set *set;
	const struct gabi_model *model;

	for (size_t i = 0; i < count; i++)
		gabi_nearest_offer(&nearest, alias[i].name, strlen(alias[i].name));
	model = gabi_models(&count);
	for (size_t i = 0; i < count; i++)
		gabi_nearest_offer(&nearest, model[i].name, strlen(model[i].name));
	model = gabi_model_set_models(own, &count);
	for (size_t i = 0; i < count; i++)
		gabi_nearest_offer(&nearest, model[i].name, strlen(model[i].name));
	set = gabi_hyperv_sets(&count);
	for (size_t i = 0; i < count; i++)
		gabi_nearest_offer(&nearest, set[i].name, strlen(set[i].name));
	gabi_nearest_print(&nearest, &out);
	return gabi_fail(diag, GABI_ERR_UNKNOWN, "there is no CPU model \"", name, "\"", text, (char *)NULL);
}

/* ---- in QEMU's words ---- */

/* No model at all: what a host has, or nothing. */
static bool is_no_model(const char *name)
{
	return !strcmp(name, "host") || !strcmp(name, "max") || !strcmp(name, "base");
}

/* Is it a name for others, or one that is told as it is? */
static bool is_ours(const struct gabi_model *model)
{
	return !strcmp(model->source, "gabi") || !strcmp(model->source, "user");
}

/* A row's level is the model's least, which features raise; QEMU has another property for that. */
static void out_change(struct gabi_out *out, const char *change, size_t len)
{
	const char *equals = memchr(change, '=', len);
	bool off = *change == '-';

	gabi_out_char(out, ',');
	if (equals && (!strncmp(change, "level=", 6) || !strncmp(change, "xlevel", 6)))
		gabi_out_text(out, "min-");
	gabi_out_bytes(out, change + off, len - off);
	if (!equals)
		gabi_out_text(out, off ? "=off" : "=on");
}

/* "name=on" and not "+name": what stands behind the model's name has the last word. Parents stand before their children. */
static void out_model(struct gabi_out *out, const struct gabi_model_set *own, const struct gabi_model *model)
{
	if (!is_ours(model)) {
		gabi_out_text(out, model->name);
		return;
	}
	out_model(out, own, gabi_model_set_find(own, model->parent));
	for (const char *at = model->changes; *at; at += strspn(at, " ")) {
		out_change(out, at, strcspn(at, " "));
		at += strcspn(at, " ");
	}
	if (*model->model_id) {
		gabi_out_text(out, ",model-id=");
		gabi_out_text(out, model->model_id);
	}
}

/* The argument itself, without "-cpu" and white space around it. */
static const char *strip(const char *text, size_t *len)
{
	static const char option[] = "-cpu ";

	if (*len >= sizeof(option) - 1 && !memcmp(text, option, sizeof(option) - 1)) {
		text += sizeof(option) - 1;
		*len -= sizeof(option) - 1;
	}
	for (; *len && (*text == ' ' || *text == '\n'); text++)
		--*len;
	while (*len && (text[*len - 1] == ' ' || text[*len - 1] == '\n'))
		--*len;
	return text;
}

static int too_long(struct gabi_diag *diag)
{
	return gabi_fail(diag, GABI_ERR_LIMIT, "a -cpu argument has at most 16384 bytes", (char *)NULL);
}

/* The argument with sets of Hyper-V flags replaced, also those that are among a model's changes. */
static int write_sets(const char *text, char *buf, size_t cap, struct gabi_diag *diag)
{
	struct gabi_out out = gabi_out_to(buf, cap);
	size_t name_len = strcspn(text, ",");
	int err;

	gabi_out_bytes(&out, text, name_len);
	err = gabi_hyperv_sets_out_items(&out, text + name_len, strlen(text + name_len), diag);
	return !err && out.len > GABI_CPU_MAX_LEN ? too_long(diag) : err;
}

/* The argument with its model replaced; buf is a buffer of cap bytes. */
static int write_argument(const struct gabi_model_set *own, const char *text, size_t len, char *buf, size_t cap, struct gabi_diag *diag)
{
	struct gabi_out out = gabi_out_to(buf, cap);
	const char *comma = memchr(text, ',', len);
	size_t name_len = comma ? (size_t)(comma - text) : len;
	const struct gabi_hyperv_set *set;
	const struct gabi_model *model;

	gabi_out_bytes(&out, text, name_len);
	model = is_no_model(buf) ? NULL : gabi_model_set_find(own, buf);
	set = model ? NULL : gabi_hyperv_set_find(buf);
	if (!model && !set && !is_no_model(buf))
		return gabi_model_unknown(own, buf, diag);
	if (set || (model && is_ours(model)))
		out = gabi_out_to(buf, cap);
	if (set) {
		gabi_out_text(&out, "host");
		gabi_hyperv_set_out(&out, set);
	} else if (model && is_ours(model)) {
		out_model(&out, own, model);
	}
	gabi_out_bytes(&out, text + name_len, len - name_len);
	return out.len > GABI_CPU_MAX_LEN ? too_long(diag) : 0;
}

int gabi_model_set_argument(const struct gabi_model_set *own, const char *text, size_t len, const struct gabi_mem *mem, char **ret_text,
			    struct gabi_diag *diag)
{
	const struct gabi_mem memory = gabi_mem_or_default(mem);
	const size_t cap = GABI_CPU_MAX_LEN + 1;
	char *buf;
	int err;

	if (len > GABI_CPU_MAX_LEN)
		return too_long(diag);
	text = strip(text, &len);
	if (!len || *text == ',')
		return gabi_fail(diag, GABI_ERR_SYNTAX, "a -cpu argument begins with a CPU model, \"host\", \"max\" or \"base\"",
				 (char *)NULL);
	if (memchr(text, '\0', len))
		return gabi_fail(diag, GABI_ERR_SYNTAX, "a -cpu argument holds no NUL", (char *)NULL);
	buf = gabi_mem_get(&memory, 2 * cap);
	if (!buf)
		return nomem(diag);
	err = write_argument(own, text, len, buf, cap, diag);
	if (!err)
		err = write_sets(buf, buf + cap, cap, diag);
	if (!err) {
		*ret_text = gabi_mem_copy_text(&memory, buf + cap);
		err = *ret_text ? 0 : nomem(diag);
	}
	gabi_mem_put(&memory, buf);
	return err;
}

/* ---- adding ---- */

static bool is_name(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.+");

	return len && len <= NAME_MAX_LEN && !name[len] && *name != '-' && *name != '+';
}

static char plain(char c)
{
	return c == '_' ? '-' : c;
}

/* Do both begin with the same name, up to "=", a blank or the end? */
static bool same_name(const char *a, const char *b)
{
	static const char ends[] = "= ";
	size_t len = strcspn(a, ends);

	if (strcspn(b, ends) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (plain(a[i]) != plain(b[i]))
			return false;
	return true;
}

/* QEMU would take the last of two; whoever wrote both meant something else by one of them. */
static int check_changes(const char *changes, struct gabi_diag *diag)
{
	char name[NAME_MAX_LEN + 1];
	struct gabi_out out = gabi_out_to(name, sizeof(name));

	if (changes[strcspn(changes, ",+\"'\\\n\t")])
		return gabi_fail(diag, GABI_ERR_SYNTAX, "a change is a name, -name or name=value, without commas, signs and quotes", (char *)NULL);
	for (const char *at = changes; *at; at += strspn(at, " ")) {
		const char *own = at + (*at == '-');

		for (const char *other = at + strcspn(at, " "); *other; other += strcspn(other, " ")) {
			other += strspn(other, " ");
			if (!*other || !same_name(own, other + (*other == '-')))
				continue;
			gabi_out_bytes(&out, own, strcspn(own, "= "));
			return gabi_fail(diag, GABI_ERR_DUPLICATE, "the change \"", name, "\" is there twice", (char *)NULL);
		}
		at += strcspn(at, " ");
	}
	return 0;
}

/* What can stand in an argument, at its end too, and be read as it was written. */
static bool is_model_id(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~' || strchr(",'\"\\", text[i]))
			return false;
	return len <= 48 && (!len || (*text != ' ' && text[len - 1] != ' '));
}

static int check_row(const struct gabi_model_set *set, const struct gabi_model *row, struct gabi_diag *diag)
{
	if (!is_name(row->name))
		return gabi_fail(diag, GABI_ERR_SYNTAX, "a model's name is 1 to 63 letters, digits and any of - _ . + that it does not begin with",
				 (char *)NULL);
	if (is_no_model(row->name) || gabi_model_set_find(set, row->name) || gabi_hyperv_set_find(row->name))
		return gabi_fail(diag, GABI_ERR_DUPLICATE, "there is a CPU model \"", row->name, "\" already", (char *)NULL);
	if (!gabi_model_set_find(set, row->parent))
		return gabi_model_unknown(set, row->parent, diag);
	if (!is_model_id(row->model_id))
		return gabi_fail(diag, GABI_ERR_RANGE, "a model-id has at most 48 printable characters, none of them a comma, a quote or a backslash, and "
				 "no blank at either end", (char *)NULL);
	if (set->count == GABI_MODEL_SET_MAX)
		return gabi_fail(diag, GABI_ERR_LIMIT, "a set has at most 1024 models", (char *)NULL);
	return check_changes(row->changes, diag);
}

/* Copies a text behind the others, and says where it is. */
static const char *put(char **to, const char *text)
{
	char *at = *to;
	size_t len = strlen(text) + 1;

	memcpy(at, text, len);
	*to += len;
	return at;
}

static int copy_row(struct gabi_model_set *set, const struct gabi_model *row)
{
	size_t len = strlen(row->name) + strlen(row->parent) + strlen(row->changes) + strlen(row->model_id) + 4;
	char *texts = gabi_mem_get(&set->mem, len);

	if (!texts || gabi_mem_room(&set->mem, (void **)&set->at, &set->cap, set->count, sizeof(*set->at))) {
		gabi_mem_put(&set->mem, texts);
		return GABI_ERR_NOMEM;
	}
	set->at[set->count] = (struct gabi_model){ .name = put(&texts, row->name), .source = "user",
						   .arch = gabi_model_set_find(set, row->parent)->arch };
	set->at[set->count].parent = put(&texts, row->parent);
	set->at[set->count].changes = put(&texts, row->changes);
	set->at[set->count].model_id = put(&texts, row->model_id);
	set->count++;
	return 0;
}

int gabi_model_set_add(struct gabi_model_set *set, const struct gabi_model *row, struct gabi_diag *diag)
{
	struct gabi_cpu *cpu;
	int err = check_row(set, row, diag);

	if (err)
		return err;
	if (copy_row(set, row))
		return nomem(diag);
	/* Whether QEMU takes all of it is asked where every argument is. */
	err = gabi_cpu_parse(row->name, strlen(row->name), set, &set->mem, &cpu, diag);
	if (err)
		free_row(&set->at[--set->count], &set->mem);
	else
		gabi_cpu_free(cpu);
	return err;
}
