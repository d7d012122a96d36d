/* SPDX-License-Identifier: MIT */
/* gabi nested: the blobs of KVM_GET_NESTED_STATE. */
#include "vmcs.h"

#include "file.h"
#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static enum status blob_read(const char *path, struct text *ret_text, struct gabi_nested *ret_nested)
{
	struct gabi_diag diag;
	enum status status = file_read(path, ret_text);

	if (status)
		return status;
	if (!gabi_nested_read(ret_text->at, ret_text->len, ret_nested, &diag))
		return STATUS_YES;
	free(ret_text->at);
	*ret_text = (struct text){ 0 };
	return complain_diag(path, &diag);
}

static void add(struct rows *rows, const char *name, uint64_t value, const char *meaning)
{
	char number[24];

	snprintf(number, sizeof(number), "0x%" PRIx64, value);
	rows_add(rows, COLOR_NONE, (const char *[]){ name, value == GABI_NESTED_NONE ? "none" : number, meaning });
}

static const char *flags_text(unsigned flags, char *out, size_t cap)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{ GABI_NESTED_GUEST_MODE, "guest mode" },
		{ GABI_NESTED_RUN_PENDING, "run pending" },
		{ GABI_NESTED_EVMCS, "enlightened VMCS" },
		{ GABI_NESTED_MTF_PENDING, "MTF pending" },
		{ GABI_NESTED_GIF_SET, "GIF" },
	};
	size_t len = 0;

	*out = '\0';
	for (size_t i = 0; i < COUNT_OF(names) && len < cap; i++)
		if (flags & names[i].bit)
			len += (size_t)snprintf(out + len, cap - len, "%s%s", len ? ", " : "", names[i].name);
	return out;
}

static void show_header(struct rows *rows, const struct gabi_nested *nested)
{
	static const struct column columns[] = { { "HEADER" }, { "VALUE" }, { "MEANING", .wraps = true } };
	bool svm = nested->format == GABI_NESTED_SVM;
	char flags[128];

	rows_open(rows, "header", NULL, columns, COUNT_OF(columns));
	add(rows, "flags", nested->flags, flags_text(nested->flags, flags, sizeof(flags)));
	add(rows, "format", nested->format, svm ? "SVM" : nested->format == GABI_NESTED_VMX ? "VMX" : "unknown");
	add(rows, "size", nested->size, "bytes, with the header's 128");
	if (svm) {
		add(rows, "vmcb_pa", nested->vmcb_pa, "the guest's VMCB");
		add(rows, "gpat", nested->gpat, "L2's PAT, known to KVM since 7.2");
	} else {
		add(rows, "vmxon_pa", nested->vmxon_pa, "the VMXON region");
		add(rows, "vmcs12_pa", nested->vmcs12_pa, "the current VMCS");
		add(rows, "smm.flags", nested->smm_flags, "1: guest mode, 2: VMXON, suspended by SMM");
		add(rows, "hdr.flags", nested->vmx_flags, "1: the deadline counts");
		add(rows, "deadline", nested->deadline, "of the preemption timer, in the source's TSC");
	}
	rows_close(rows);
}

/* How the VMCS in the blob is to be read: --layout, or the form that nested state has always had, with every field that came
 * since. */
static const struct gabi_vmcs_layout *blob_layout(const struct args *args)
{
	return layout_named(args->option[OPTION_LAYOUT] ? args->option[OPTION_LAYOUT] : "kvm-7.2");
}

static enum status nested_show(const struct args *args)
{
	const struct gabi_vmcs_layout *layout = blob_layout(args);
	struct gabi_nested nested;
	struct text text = { 0 };
	struct rows rows;
	size_t wrong = 0;
	enum status status;

	if (!layout)
		return STATUS_USAGE;
	status = blob_read(args->file[0], &text, &nested);
	if (status)
		return status;
	rows_begin(&rows, args->option[OPTION_JSON]);
	show_header(&rows, &nested);
	if (nested.vmcs12)
		wrong = page_show(&rows, layout, nested.vmcs12, args->option[OPTION_ALL]);
	rows_end(&rows);
	free(text.at);
	return wrong ? STATUS_NO : STATUS_YES;
}

static const struct gabi_word *promised(const struct gabi_contract *contract, unsigned space, uint64_t index, unsigned part)
{
	struct gabi_key key = { .space = (uint16_t)space, .part = (uint16_t)part, .index = index };

	return gabi_contract_find(contract, &key, GABI_VP_ALL);
}

static uint32_t promised_cpuid(const void *contract, uint32_t leaf, uint32_t sub, unsigned reg)
{
	struct gabi_key key = { .space = GABI_SPACE_CPUID, .part = (uint16_t)reg, .sub = sub, .index = leaf };
	const struct gabi_word *word = gabi_contract_find(contract, &key, GABI_VP_ALL);

	return word ? (uint32_t)word->value : 0;
}

/* The vCPU as the contract describes it. */
static void target_fill(struct gabi_nested_target *target, const struct gabi_contract *contract)
{
	const struct gabi_word *perf;

	for (unsigned i = 0; i < GABI_NESTED_MSRS; i++) {
		const struct gabi_word *word = promised(contract, GABI_SPACE_MSR, GABI_NESTED_MSR_FIRST + i, 0);

		if (!word)
			continue;
		target->msr[i] = word->value;
		target->msr_known |= 1u << i;
	}
	perf = promised(contract, GABI_SPACE_MSR, 0x345, 0);
	target->no_lbr = perf && !(perf->value & 0x3f); /* SDM vol. 4, IA32_PERF_CAPABILITIES */
	if (promised(contract, GABI_SPACE_CPUID, 1, GABI_ECX))
		gabi_nested_target_cpuid(target, promised_cpuid, contract);
	gabi_evmcs_guest_of(contract, &target->evmcs);
}

static void show_verdict(struct rows *rows, const struct gabi_nested_verdict *verdict, const char *release)
{
	static const struct column columns[] = {
		{ "NOTE" }, { "RULE" }, { "OFFSET", .right = true }, { "VALUE" }, { "WHAT", .wraps = true }
	};
	char text[512];
	size_t count;

	if (verdict->rule) {
		const char *field = verdict->id < GABI_VMCS_COUNT ? gabi_vmcs_fields(&count)[verdict->id].name : "header";

		snprintf(text, sizeof(text), "Linux %s would refuse it by rule %s: %s (%s at offset %u is 0x%" PRIx64 ")",
			 release, gabi_nested_rule_number(verdict->rule), gabi_nested_rule_text(verdict->rule), field,
			 verdict->offset, verdict->value);
	} else {
		snprintf(text, sizeof(text), "Linux %s would take it%s", release,
			 verdict->unknown ? ", as far as can be judged" : "");
	}
	rows_text(rows, "verdict", "Verdict", text);
	if (verdict->rule && rows->json)
		rows_text(rows, "rule", "Rule", gabi_nested_rule_number(verdict->rule));
	if (!verdict->notes)
		return;
	rows_open(rows, "notes", NULL, columns, COUNT_OF(columns));
	for (unsigned i = 0; i < verdict->notes; i++) {
		const struct gabi_nested_note *note = &verdict->note[i];
		char offset[16], value[24];

		snprintf(offset, sizeof(offset), "%u", note->offset);
		snprintf(value, sizeof(value), "0x%" PRIx64, note->value);
		rows_add(rows, COLOR_CARE,
			 (const char *[]) { gabi_nested_note_name(note->kind),
					    note->rule ? gabi_nested_rule_number(note->rule) : NULL, offset, value,
					    gabi_nested_note_text(note->kind) });
	}
	rows_close(rows);
}

static enum status check_blob(const struct args *args, const struct text *text, const struct gabi_nested *nested,
			      const struct gabi_contract *contract)
{
	struct gabi_nested_target target = { .size = sizeof(target), .release = args->option[OPTION_KERNEL],
					     .svm = nested->format == GABI_NESTED_SVM };
	struct gabi_nested_verdict verdict;
	struct gabi_diag diag;
	struct rows rows;

	if (contract)
		target_fill(&target, contract);
	else
		target.evmcs = (struct gabi_evmcs_guest) { .enabled = nested->flags & GABI_NESTED_EVMCS,
							   .hyperv = 1,
							   .perf_global = 1 };
	if (gabi_nested_check(text->at, text->len, &target, &verdict, &diag))
		return complain_diag(args->file[0], &diag);
	rows_begin(&rows, args->option[OPTION_JSON]);
	show_verdict(&rows, &verdict, target.release);
	rows_end(&rows);
	return verdict.rule || verdict.unknown ? STATUS_NO : STATUS_YES;
}

static enum status nested_check(const struct args *args)
{
	struct gabi_contract *contract = NULL;
	struct gabi_nested nested;
	struct text text = { 0 };
	enum status status;

	if (!args->option[OPTION_KERNEL]) {
		complain("nested check: --kernel RELEASE is needed: the kernel that is to take it");
		return STATUS_USAGE;
	}
	status = blob_read(args->file[0], &text, &nested);
	if (status)
		return status;
	if (args->files > 1)
		status = load_contract(args->file[1], &contract);
	if (!status)
		status = check_blob(args, &text, &nested, contract);
	gabi_contract_free(contract);
	free(text.at);
	return status;
}

#define FINDINGS 512

static enum status nested_convert(const struct args *args)
{
	const struct gabi_vmcs_layout *from = blob_layout(args), *to;
	uint8_t out[GABI_NESTED_MAX];
	struct gabi_vmcs_finding findings[FINDINGS];
	struct gabi_nested nested;
	struct gabi_diag diag;
	struct text text = { 0 };
	struct rows rows;
	size_t len = 0, total = 0;
	unsigned flags;
	enum status status;

	if (!args->option[OPTION_TO] || !args->option[OPTION_OUTPUT] || !strcmp(args->option[OPTION_OUTPUT], "-")) {
		complain("nested convert: --to LAYOUT and --output FILE are needed; the report goes to standard output");
		return STATUS_USAGE;
	}
	to = from && translation_flags(args, &flags) ? layout_named(args->option[OPTION_TO]) : NULL;
	if (!to)
		return STATUS_USAGE;
	status = blob_read(args->file[0], &text, &nested);
	if (status)
		return status;
	if (gabi_nested_convert(text.at, text.len, from, to, flags, NULL, out, sizeof(out), &len, findings, FINDINGS, &total, &diag)) {
		free(text.at);
		status = complain_diag(args->file[0], &diag);
		return status == STATUS_USAGE ? STATUS_INPUT : status;
	}
	free(text.at);
	rows_begin(&rows, args->option[OPTION_JSON]);
	rows_text(&rows, "from", "From", from->name);
	rows_text(&rows, "to", "To", to->name);
	if (findings_show(&rows, findings, total < FINDINGS ? total : FINDINGS))
		status = STATUS_NO;
	rows_end(&rows);
	if (status && !args->option[OPTION_LOSSY]) {
		complain("%s: not written, since something would be lost; --lossy writes it all the same", args->file[0]);
		return status;
	}
	if (file_write(args->option[OPTION_OUTPUT], (const char *)out, len))
		return STATUS_INPUT;
	return status;
}

enum status run_nested(const struct args *args)
{
	static const struct subcommand subs[] = {
		{ "show", nested_show, 1, 1, "show FILE" },
		{ "check", nested_check, 1, 2, "check --kernel RELEASE FILE [CONTRACT]" },
		{ "convert", nested_convert, 1, 1, "convert --to LAYOUT --output FILE FILE" },
	};

	return run_sub("nested", subs, COUNT_OF(subs), args);
}
