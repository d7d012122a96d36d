/* SPDX-License-Identifier: MIT */
/* The controls that a KVM takes away from a guest which may use the enlightened VMCS. */
#include <gabi/evmcs.h>

#include "base/base.h"
#include "vmcs.h"

enum { DENY, ALLOW };
enum { ENABLED, HYPERV };

static const struct gabi_evmcs_line lines[] = {
#define GABI_EVMCS_LINE_ROW(number, text, list, gate) { .name = text, .release = number, .allow = list, .ask_hyperv = gate },
#include <gabi/evmcs_filter.def>
};

static const struct {
	uint16_t release;
	uint8_t word;
	uint32_t mask;
} masks[] = {
#define GABI_EVMCS_FILTER_ROW(number, word, bits) { number, GABI_VMCS_WORD_##word, bits },
#include <gabi/evmcs_filter.def>
};

static const struct {
	uint16_t from;
	uint8_t word;
	uint32_t bits;
} unless[] = {
#define GABI_EVMCS_UNLESS_ROW(number, word, bits) { number, GABI_VMCS_WORD_##word, bits },
#include <gabi/evmcs_filter.def>
};

unsigned gabi_release_number(const char *release)
{
	unsigned part[2] = { 0, 0 };

	for (unsigned i = 0; i < 2; i++, release++) {
		const char *first = release;

		for (; *release >= '0' && *release <= '9' && part[i] < 100; release++)
			part[i] = part[i] * 10 + (unsigned)(*release - '0');
		if (release == first || part[i] >= 100 || (i == 0 && *release != '.'))
			return 0;
	}
	return part[0] * 100 + part[1];
}

const struct gabi_evmcs_line *gabi_evmcs_lines(size_t *ret_count)
{
	*ret_count = GABI_COUNT_OF(lines);
	return lines;
}

const struct gabi_evmcs_line *gabi_evmcs_line_of(const char *release)
{
	unsigned number = gabi_release_number(release);
	const struct gabi_evmcs_line *newest = NULL;

	for (size_t i = 0; i < GABI_COUNT_OF(lines); i++)
		if (lines[i].release <= number)
			newest = &lines[i];
	return newest;
}

static bool is_on(const struct gabi_evmcs_line *line, const struct gabi_evmcs_guest *guest)
{
	return guest->enabled && (guest->hyperv || !line->ask_hyperv);
}

/* The bits of a word that the line's list takes away; every list is about the low 32. */
static uint32_t listed(const struct gabi_evmcs_line *line, unsigned word)
{
	for (size_t i = 0; i < GABI_COUNT_OF(masks); i++)
		if (masks[i].release == line->release && masks[i].word == word)
			return line->allow ? ~masks[i].mask : masks[i].mask;
	return 0;
}

static uint32_t taken(const struct gabi_evmcs_line *line, const struct gabi_evmcs_guest *guest, unsigned word)
{
	uint32_t bits = listed(line, word);

	for (size_t i = 0; i < GABI_COUNT_OF(unless); i++)
		if (unless[i].word == word && line->release >= unless[i].from && !guest->perf_global)
			bits |= unless[i].bits;
	return bits;
}

static const struct gabi_vmcs_control *control_of(uint32_t msr, unsigned *ret_word)
{
	for (unsigned word = GABI_VMCS_WORD_NONE + 1; word < GABI_VMCS_WORD_COUNT; word++) {
		const struct gabi_vmcs_control *control = gabi_vmcs_control(word);

		if (msr && (control->msr == msr || control->true_msr == msr)) {
			*ret_word = word;
			return control;
		}
	}
	return NULL;
}

uint64_t gabi_evmcs_filter(const struct gabi_evmcs_line *line, const struct gabi_evmcs_guest *guest, uint32_t msr,
			   uint64_t value)
{
	unsigned word;
	const struct gabi_vmcs_control *control = control_of(msr, &word);

	if (!control || !is_on(line, guest))
		return value;
	return value & ~((uint64_t)taken(line, guest, word) << control->shift);
}

uint64_t gabi_evmcs_refused(const struct gabi_evmcs_line *line, const struct gabi_evmcs_guest *guest, unsigned word,
			    uint64_t controls)
{
	return is_on(line, guest) ? controls & listed(line, word) : 0;
}
