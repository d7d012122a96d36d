/* SPDX-License-Identifier: MIT */
/* Reports and plans as JSON; data/schema/report.schema.json and plan.schema.json. */
#include "formats/text.h"
#include "formats/words.h"

/* Where the word is in "promises" of a contract and "words" of a manifest, as a JSON pointer from there. Of a register that
 * is wider than 64 bits the pointer names all, and "part" says which 64 bits are meant. */
static void write_place(struct gabi_json *json, const struct gabi_key *key)
{
	static const char *const registers[] = { "/eax", "/ebx", "/ecx", "/edx" };
	char text[96];
	struct gabi_out out = gabi_out_to(text, sizeof(text));

	gabi_out_char(&out, '/');
	gabi_out_text(&out, gabi_space_text(key->space));
	gabi_out_char(&out, '/');
	gabi_key_member(&out, key);
	if (gabi_space_has_leaves(key->space))
		gabi_out_text(&out, registers[key->part & 3]);
	gabi_json_text(json, "at", text);
	if (key->part && !gabi_space_has_leaves(key->space))
		gabi_json_uint(json, "part", key->part);
}

static void write_vp(struct gabi_json *json, unsigned vp)
{
	if (vp != GABI_VP_ALL)
		gabi_json_uint(json, "vp", vp);
}

/* A text that gabi makes up of a finding; none if it is empty. */
static void write_made(struct gabi_json *json, const char *key, size_t (*make)(const struct gabi_finding *, char *, size_t),
		       const struct gabi_finding *finding)
{
	char text[1024];

	make(finding, text, sizeof(text));
	if (*text && gabi_text_valid(text))
		gabi_json_text(json, key, text);
}

static void write_change(struct gabi_json *json, const struct gabi_change *change)
{
	gabi_json_open(json, "change", '{');
	gabi_json_text(json, "id", change->id);
	gabi_json_text(json, "what", change->what);
	gabi_json_text(json, "source", change->source);
	gabi_json_close(json, '}');
}

static void write_finding(struct gabi_json *json, const struct gabi_finding *finding)
{
	gabi_json_open(json, NULL, '{');
	write_made(json, "name", gabi_finding_name, finding);
	write_made(json, "words", gabi_finding_words, finding);
	gabi_json_text(json, "kind", gabi_finding_text(finding->kind));
	gabi_json_text(json, "weight", gabi_weight_text(finding->weight));
	if (finding->key.space != GABI_SPACE_NONE) {
		write_place(json, &finding->key);
		gabi_json_uint(json, "lo", finding->lo);
		gabi_json_uint(json, "bits", finding->bits);
	}
	write_vp(json, finding->vp);
	gabi_json_uint(json, "host", finding->host);
	if (finding->has_want && finding->kind != GABI_FINDING_WRONG_ARCH) /* gabi's own numbers of architectures */
		gabi_json_hex(json, "want", finding->want, 1);
	if (finding->has_have && finding->kind != GABI_FINDING_WRONG_ARCH)
		gabi_json_hex(json, "have", finding->have, 1);
	if (finding->cause != GABI_CAUSE_NONE)
		gabi_json_text(json, "cause", gabi_cause_text(finding->cause));
	if (finding->param && gabi_text_valid(finding->param))
		gabi_json_text(json, "param", finding->param);
	if (finding->effect != GABI_EFFECT_NONE)
		gabi_json_text(json, "effect", gabi_effect_text(finding->effect));
	write_made(json, "consequence", gabi_finding_consequence, finding);
	write_made(json, "remedy", gabi_finding_remedy, finding);
	if (finding->change)
		write_change(json, finding->change);
	gabi_json_close(json, '}');
}

int gabi_report_write(const struct gabi_report *report, const struct gabi_mem *mem, char **ret_text, size_t *ret_len)
{
	struct gabi_text text = { .mem = gabi_mem_or_default(mem), .flat = 3 };
	struct gabi_json json = { .sink = gabi_text_sink, .ctx = &text };
	size_t count;
	const struct gabi_finding *findings = gabi_report_findings(report, &count);

	gabi_json_open(&json, NULL, '{');
	gabi_json_text(&json, "gabi", "report");
	gabi_json_uint(&json, "schema", GABI_REPORT_SCHEMA);
	gabi_json_text(&json, "verdict", gabi_verdict_text(gabi_report_verdict(report)));
	gabi_json_open(&json, "findings", '[');
	for (size_t i = 0; i < count; i++)
		write_finding(&json, &findings[i]);
	gabi_json_close(&json, ']');
	gabi_json_close(&json, '}');
	return gabi_text_finish(&text, json.stopped, ret_text, ret_len);
}

static void write_op(struct gabi_json *json, const struct gabi_op *op)
{
	static const char *const scopes[] = {
		[GABI_SCOPE_SYSTEM] = "system", [GABI_SCOPE_VM] = "vm", [GABI_SCOPE_VP] = "vp",
	};
	unsigned digits = (op->bits + 3u) / 4;

	gabi_json_open(json, NULL, '{');
	gabi_json_text(json, "op", gabi_op_text(op->kind));
	write_place(json, &op->key);
	gabi_json_text(json, "scope", scopes[op->scope]);
	write_vp(json, op->vp);
	gabi_json_bool(json, "before-run", op->before_run);
	gabi_json_hex(json, "value", op->value, digits);
	if (op->kind == GABI_OP_VERIFY)
		gabi_json_hex(json, "mask", op->mask, digits);
	gabi_json_close(json, '}');
}

int gabi_plan_write(const struct gabi_plan *plan, const struct gabi_mem *mem, char **ret_text, size_t *ret_len)
{
	struct gabi_text text = { .mem = gabi_mem_or_default(mem), .flat = 3 };
	struct gabi_json json = { .sink = gabi_text_sink, .ctx = &text };
	size_t count;
	const struct gabi_op *ops = gabi_plan_ops(plan, &count);

	gabi_json_open(&json, NULL, '{');
	gabi_json_text(&json, "gabi", "plan");
	gabi_json_uint(&json, "schema", GABI_PLAN_SCHEMA);
	gabi_json_open(&json, "ops", '[');
	for (size_t i = 0; i < count; i++)
		write_op(&json, &ops[i]);
	gabi_json_close(&json, ']');
	gabi_json_close(&json, '}');
	return gabi_text_finish(&text, json.stopped, ret_text, ret_len);
}
