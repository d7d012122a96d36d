/* SPDX-License-Identifier: MIT */
#include "formats/offered.h"

#include "host/canonical.h"

#include <string.h>

void gabi_offered_begin(struct gabi_offered *offered, const char *model)
{
	offered->unknown = 0;
	offered->without_vmx = false;
	offered->out = gabi_out_to(offered->argument, sizeof(offered->argument));
	gabi_out_text(&offered->out, model);
}

void gabi_offered_add(struct gabi_offered *offered, const char *name, const char *value)
{
	if (!gabi_cpu_has_property(name)) {
		offered->unknown++;
		return;
	}
	gabi_out_char(&offered->out, ',');
	gabi_out_text(&offered->out, name);
	gabi_out_char(&offered->out, '=');
	gabi_out_text(&offered->out, value);
}

static int set_source(const struct gabi_offered *offered, const char *source, struct gabi_host *host, struct gabi_diag *diag)
{
	char text[256];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_text(&out, source);
	gabi_out_text(&out, "; says nothing of what has no name there");
	if (offered->unknown) {
		gabi_out_text(&out, ", nor here of ");
		gabi_out_dec(&out, offered->unknown);
		gabi_out_text(&out, offered->unknown == 1 ? " name" : " names");
	}
	return gabi_host_set_fact(host, "source", text, diag);
}

#define VMX_FIRST 0x480 /* IA32_VMX_BASIC; SDM vol. 4 */
#define VMX_LAST  0x491

static bool is_vmx(const struct gabi_key *key)
{
	return key->space == GABI_SPACE_MSR && key->index >= VMX_FIRST && key->index <= VMX_LAST;
}

static int add_word(struct gabi_host *host, const struct gabi_key *key, unsigned bits, uint64_t value, struct gabi_diag *diag)
{
	const struct gabi_word word = {
		.key = *key, .value = value, .settable = gabi_settable_rule(key->space) & gabi_mask(bits), .vp = GABI_VP_ALL, .bits = (uint8_t)bits,
	};

	return gabi_host_add(host, &word, diag);
}

static bool is_same_leaf(const struct gabi_key *a, const struct gabi_key *b)
{
	return a->space == b->space && a->index == b->index && a->sub == b->sub;
}

/* A leaf is four registers, as a manifest's file has it. */
static int add_leaf(struct gabi_host *host, const struct gabi_word *word, size_t count, struct gabi_diag *diag)
{
	int err = 0;

	for (uint16_t part = GABI_EAX; !err && part <= GABI_EDX; part++) {
		struct gabi_key key = word->key;
		uint64_t value = 0;

		key.part = part;
		for (size_t i = 0; i < count && is_same_leaf(&word[i].key, &key); i++)
			if (word[i].key.part == part)
				value = word[i].value;
		err = add_word(host, &key, 32, value, diag);
	}
	return err;
}

static int add_words(const struct gabi_offered *offered, const struct gabi_cpu *cpu, struct gabi_host *host, struct gabi_diag *diag)
{
	size_t count;
	const struct gabi_word *word = gabi_cpu_words(cpu, &count);
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		if (!gabi_space_has_leaves(word[i].key.space))
			err = offered->without_vmx && is_vmx(&word[i].key) ? 0 : add_word(host, &word[i].key, word[i].bits, word[i].value, diag);
		else if (i == 0 || !is_same_leaf(&word[i - 1].key, &word[i].key))
			err = add_leaf(host, &word[i], count - i, diag);
	}
	return err ? err : gabi_host_seal(host, diag);
}

int gabi_offered_host(struct gabi_offered *offered, enum gabi_view view, const char *source, const struct gabi_mem *mem,
		      struct gabi_host **ret_host, struct gabi_diag *diag)
{
	struct gabi_cpu *cpu;
	struct gabi_host *host;
	int err;

	if (offered->out.len > GABI_CPU_MAX_LEN)
		return gabi_fail(diag, GABI_ERR_LIMIT, "the file names more features than there are", (char *)NULL);
	err = gabi_cpu_parse(offered->argument, offered->out.len, NULL, mem, &cpu, diag);
	if (err)
		return err;
	host = gabi_host_new(GABI_ARCH_X86, view, mem);
	err = host ? set_source(offered, source, host, diag) : gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);
	if (!err)
		err = add_words(offered, cpu, host, diag);
	gabi_cpu_free(cpu);
	if (err)
		gabi_host_free(host);
	else
		*ret_host = host;
	return err;
}
