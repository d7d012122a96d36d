/* SPDX-License-Identifier: MIT */
/* <vcpu> and <topology> */
#include "formats/libvirt_reader.h"

static void out_smp(struct gabi_out *out, const char *name, uint64_t value)
{
	gabi_out_text(out, name);
	gabi_out_dec(out, value);
}

void gabi_reader_topology(struct gabi_domain_reader *reader)
{
	static const char *const parts[] = { "sockets", "dies", "clusters", "cores", "threads" };
	const struct gabi_xml_node *vcpu = gabi_reader_only(reader, reader->root, "vcpu"), *topology = gabi_reader_only(reader, reader->cpu, "topology");
	struct gabi_out out = gabi_out_to(reader->domain->smp, sizeof(reader->domain->smp));
	uint64_t most = 1, now, counts[5] = { 0, 1, 1, 1, 1 }, all = 1;

	if (vcpu && *vcpu->text && !gabi_tree_decimal(vcpu->text, 65535, &most)) {
		GABI_READER_FAIL(reader, vcpu, GABI_ERR_RANGE, "'", vcpu->text, "' is no number of virtual CPUs");
		return;
	}
	now = most;
	if (!reader->err && vcpu)
		reader->err = gabi_tree_number(vcpu, "current", false, most, most, &now, reader->diag);
	for (size_t i = 0; topology && !reader->err && i < 5; i++) {
		if (!gabi_tree_attr(topology, parts[i]) && i != 1 && i != 2)
			GABI_READER_FAIL(reader, topology, GABI_ERR_SCHEMA, "the attribute ", parts[i], " is missing");
		else
			reader->err = gabi_tree_number(topology, parts[i], false, 65535, 1, &counts[i], reader->diag);
		if (!reader->err && !counts[i])
			GABI_READER_FAIL(reader, topology, GABI_ERR_RANGE, parts[i], " cannot be 0");
		all *= counts[i] ? counts[i] : 1;
		if (!reader->err && all > 65535)
			GABI_READER_FAIL(reader, topology, GABI_ERR_RANGE, "the topology has more CPUs than a domain can have");
	}
	if (reader->err)
		return;
	if (topology && all != most) {
		GABI_READER_FAIL(reader, topology, GABI_ERR_CONFLICT, "the topology does not have as many CPUs as <vcpu> says");
		return;
	}
	out_smp(&out, "", now);
	if (now != most)
		out_smp(&out, ",maxcpus=", most);
	out_smp(&out, ",sockets=", topology ? counts[0] : most);
	if (topology) {
		out_smp(&out, ",dies=", counts[1]);
		out_smp(&out, ",clusters=", counts[2]);
	}
	out_smp(&out, ",cores=", counts[3]);
	out_smp(&out, ",threads=", counts[4]);
}
