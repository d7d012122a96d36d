/* SPDX-License-Identifier: MIT */
/* Who causes a finding, as far as the facts of a manifest can say. */
#include "verdict/blame.h"

#include <gabi/change.h>

#include <string.h>

#define LATER "65535.0" /* a release that has every change */

static const struct module_row {
	const char *param, *off, *on;
	uint16_t space;
	uint64_t index, last;
	int part; /* -1: every part */
	uint64_t bits;
} modules[] = {
#define GABI_MODULE_ROW(param, off, on, space, index, last, part, bits, source) \
	{ param, off, on, GABI_SPACE_##space, index, last, part, bits },
#include "changes/module.def"
};

static bool touches(const struct module_row *row, const struct gabi_finding *finding)
{
	uint64_t bits = gabi_mask(finding->bits) << finding->lo;

	return row->space == finding->key.space && finding->key.index >= row->index && finding->key.index <= row->last &&
	       (row->part < 0 || row->part == finding->key.part) && (row->bits & bits);
}

/* Is `value` one of the words of `list`? */
static bool is_one_of(const char *list, const char *value)
{
	size_t len = strlen(value);

	for (const char *at = list; *at; at += strcspn(at, " "), at += strspn(at, " "))
		if (strcspn(at, " ") == len && !memcmp(at, value, len))
			return true;
	return false;
}

static const char *module_value(const struct gabi_host *host, const char *param)
{
	char name[64];
	struct gabi_out out = gabi_out_to(name, sizeof(name));

	gabi_out_text(&out, "module.");
	gabi_out_text(&out, param);
	return gabi_host_fact(host, name);
}

static const struct module_row *module_that_hides(const struct gabi_finding *finding, const struct gabi_host *host)
{
	for (size_t i = 0; i < GABI_COUNT_OF(modules); i++) {
		const char *value = touches(&modules[i], finding) ? module_value(host, modules[i].param) : NULL;

		if (value && is_one_of(modules[i].off, value))
			return &modules[i];
	}
	return NULL;
}

const char *gabi_module_remedy(const char *param)
{
	for (size_t i = 0; i < GABI_COUNT_OF(modules); i++)
		if (!strcmp(modules[i].param, param))
			return modules[i].on;
	return "1";
}

/* Of one host it is known what its kernel cannot have yet; what else is missing, the CPU does not have. */
void gabi_finding_blame(struct gabi_finding *finding, const struct gabi_host *host)
{
	const struct module_row *module;

	if (finding->weight < GABI_WEIGHT_ACTION)
		return;
	module = module_that_hides(finding, host);
	if (module) {
		finding->cause = GABI_CAUSE_MODULE;
		finding->param = module->param;
		return;
	}
	finding->change = gabi_change_between(gabi_host_arch(host), gabi_host_release(host), LATER, &finding->key,
					      gabi_mask(finding->bits) << finding->lo);
	if (finding->change || finding->key.space == GABI_SPACE_HYPERV || finding->key.space == GABI_SPACE_KVM ||
	    finding->key.space == GABI_SPACE_MSR_STATE || gabi_is_fw(&finding->key))
		finding->cause = GABI_CAUSE_KERNEL;
	else if (finding->key.space != GABI_SPACE_VM)
		finding->cause = GABI_CAUSE_CPU;
}

static bool facts_differ(const struct gabi_host *a, const struct gabi_host *b, const char *name)
{
	const char *x = gabi_host_fact(a, name), *y = gabi_host_fact(b, name);

	return x && y && strcmp(x, y) != 0;
}

/* Between two hosts the facts that differ are the suspects; the first that can make such a difference is it. */
void gabi_finding_blame_between(struct gabi_finding *finding, const struct gabi_host *from, const struct gabi_host *to)
{
	for (size_t i = 0; i < GABI_COUNT_OF(modules); i++) {
		const char *x, *y;

		if (!touches(&modules[i], finding))
			continue;
		x = module_value(from, modules[i].param);
		y = module_value(to, modules[i].param);
		if (x && y && is_one_of(modules[i].off, x) != is_one_of(modules[i].off, y)) {
			finding->cause = GABI_CAUSE_MODULE;
			finding->param = modules[i].param;
			return;
		}
	}
	finding->change = gabi_change_between(gabi_host_arch(from), gabi_host_release(from), gabi_host_release(to), &finding->key,
					      gabi_mask(finding->bits) << finding->lo);
	if (finding->change)
		finding->cause = GABI_CAUSE_KERNEL;
	else if (facts_differ(from, to, "cpu.signature") || facts_differ(from, to, "cpu.model"))
		finding->cause = GABI_CAUSE_CPU;
	else if (facts_differ(from, to, "kernel.release") || facts_differ(from, to, "kernel.build"))
		finding->cause = GABI_CAUSE_KERNEL;
	else if (facts_differ(from, to, "cpu.microcode"))
		finding->cause = GABI_CAUSE_MICROCODE;
	else if (facts_differ(from, to, "machine.firmware"))
		finding->cause = GABI_CAUSE_FIRMWARE;
	else if (facts_differ(from, to, "source"))
		finding->cause = GABI_CAUSE_TOOL;
}
