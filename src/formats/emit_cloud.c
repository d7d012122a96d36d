/* SPDX-License-Identifier: MIT */
/* Cloud Hypervisor's --cpus: the few things that it can be told. */
#include "formats/emit.h"

#include <gabi/cloud_hypervisor.h>
#include <gabi/vocab.h>

#include "formats/compare.h"

static bool promises(const struct gabi_contract *contract, const char *name)
{
	const struct gabi_field *field = gabi_field_by_name(name, GABI_ARCH_X86);
	const struct gabi_word *word = field ? gabi_contract_find(contract, &field->key, GABI_VP_ALL) : NULL;

	return word && (uint64_t)gabi_field_get(field, word->value) != field->absent;
}

static uint64_t number_of(const struct gabi_contract *contract, const char *name)
{
	const struct gabi_field *field = gabi_field_by_name(name, GABI_ARCH_X86);
	const struct gabi_word *word = field ? gabi_contract_find(contract, &field->key, GABI_VP_ALL) : NULL;

	return word ? (uint64_t)gabi_field_get(field, word->value) : 0;
}

static const char *why(const struct gabi_key *key)
{
	if (key->space == GABI_SPACE_HYPERV)
		return "kvm_hyperv has one set of enlightenments";
	return "Cloud Hypervisor gives a guest what the host has; --cpus cannot say it otherwise";
}

static int pin_emitted(struct gabi_emission *emission, struct gabi_contract **ret_contract)
{
	struct gabi_cloud_cpus cpus;
	struct gabi_host *made;
	int err = gabi_cloud_read(emission->text, emission->len, &cpus, emission->diag);

	if (!err)
		err = gabi_cloud_apply(&cpus, emission->host, &emission->mem, &made, emission->diag);
	if (err)
		return err;
	err = gabi_contract_pin(made, NULL, &emission->mem, ret_contract, emission->diag);
	gabi_host_free(made);
	return err;
}

void gabi_emit_cloud_hypervisor(struct gabi_emission *emission)
{
	const struct gabi_contract *contract = emission->contract;
	uint64_t bits = number_of(contract, "phys-bits");
	struct gabi_contract *given;

	gabi_emit_text(emission, "--cpus boot=1");
	if (bits) {
		gabi_emit_text(emission, ",max_phys_bits=");
		gabi_emit_dec(emission, bits);
	}
	gabi_emit_text(emission, promises(contract, "hv-hypercall") ? ",kvm_hyperv=on" : ",kvm_hyperv=off");
	gabi_emit_text(emission, promises(contract, "vmx") || promises(contract, "svm") ? ",nested=on" : ",nested=off");
	if (promises(contract, "amx-tile"))
		gabi_emit_text(emission, ",features=amx");
	gabi_emit_text(emission, "\n");
	gabi_emit_note(emission, "how many CPUs there are, and their topology, is no promise: set boot, max and topology as the VM has them");
	if (!emission->err)
		emission->err = pin_emitted(emission, &given);
	if (emission->err)
		return;
	gabi_emit_compare(emission, given, why);
	gabi_contract_free(given);
}
