/* SPDX-License-Identifier: MIT */
/*
 * libvirt's files, 10,000 that all differ, on the disk: domains into the guest that they give on a host, and domain capabilities into manifests.
 * Beside each, libxml2 alone reading the same files and making its own tree of them.
 */
#include "bench.h"

#include <gabi/formats.h>
#include <gabi/libvirt.h>
#include <gabi/qemu.h>

#include <libxml/parser.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES 10000
#define CAP   4096

static char directory[] = "/tmp/gabi-bench-XXXXXX", text[CAP]; /* of the file that is written or was read */
static struct gabi_host *host;

static void stop(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(3);
}

/* Which of the features a file names: another set for each number. */
static size_t write_features(char *at, size_t number)
{
	static const char *const names[] = { "avx2", "aes", "clflush", "fsgsbase", "bmi1", "bmi2", "smep", "smap", "rdseed", "adx", "movbe", "f16c", "umip", "rdpid" };
	size_t len = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		len += (size_t)sprintf(at + len, "<feature policy='%s' name='%s'/>", number >> i & 1 ? "disable" : "require", names[i]);
	return len;
}

static void write_domain(size_t number)
{
	static const char *const models[] = { "EPYC", "EPYC-IBPB", "EPYC-Rome", "Opteron_G3", "qemu64", "Nehalem", "Haswell-noTSX", "Skylake-Client" };
	char *at = text;

	at += sprintf(at, "<domain type='kvm'>\n<name>guest-%zu</name>\n<uuid>%08zx-0000-4000-8000-000000000000</uuid>\n<memory unit='KiB'>%zu</memory>\n"
			  "<vcpu placement='static'>%zu</vcpu>\n<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><boot dev='hd'/></os>\n",
		      number, number, 1048576 + number, number % 32 + 1);
	at += sprintf(at, "<features><acpi/><apic/>%s</features>\n<cpu mode='custom' match='exact' check='none'><model fallback='forbid'>%s</model>",
		      number & 1 ? "<hyperv mode='custom'><relaxed state='on'/><vapic state='on'/><spinlocks state='on' retries='8191'/></hyperv>" : "",
		      models[number % 8]);
	at += write_features(at, number);
	sprintf(at, "</cpu>\n<clock offset='utc'><timer name='rtc' tickpolicy='catchup'/><timer name='hypervclock' present='yes'/></clock>\n"
		    "<devices><disk type='file' device='disk'><source file='/var/lib/libvirt/images/%zu.qcow2'/><target dev='vda' bus='virtio'/></disk>"
		    "<interface type='network'><source network='default'/><model type='virtio'/></interface></devices>\n</domain>\n", number);
}

static void write_capabilities(size_t number)
{
	char *at = text;

	at += sprintf(at, "<domainCapabilities><path>/usr/bin/qemu-%zu</path><domain>kvm</domain><machine>pc-q35-7.2</machine><arch>x86_64</arch>"
			  "<cpu><mode name='host-model' supported='yes'><model fallback='forbid'>%s</model><vendor>AMD</vendor>", number,
		      number & 1 ? "EPYC-Rome" : "EPYC");
	at += write_features(at, number);
	sprintf(at, "</mode></cpu></domainCapabilities>\n");
}

static const char *path_of(size_t number)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%zu.xml", directory, number);
	return path;
}

static void save(size_t number)
{
	FILE *file = fopen(path_of(number), "wbe");

	if (!file || fwrite(text, 1, strlen(text), file) != strlen(text) || fclose(file))
		stop("a file cannot be written");
}

static size_t load(size_t number)
{
	FILE *file = fopen(path_of(number), "rbe");
	size_t len = file ? fread(text, 1, sizeof(text), file) : 0;

	if (!len || fclose(file))
		stop("a file cannot be read");
	return len;
}

static struct gabi_xml *tree_of(size_t number)
{
	struct gabi_xml *xml;
	size_t len = load(number);

	if (gabi_xml_read(text, len, NULL, &xml, NULL))
		stop("a file is not taken");
	return xml;
}

static void read_domain(size_t number)
{
	struct gabi_xml *xml = tree_of(number);
	struct gabi_domain *domain;
	struct gabi_qemu_guest *guest;
	struct gabi_qemu *line;
	char argument[CAP];

	if (gabi_domain_read(gabi_xml_root(xml), host, NULL, &domain, NULL))
		stop("a domain is not taken");
	snprintf(argument, sizeof(argument), "-machine %s,accel=kvm -cpu %s -smp %s", gabi_domain_machine(domain), gabi_domain_cpu(domain),
		 gabi_domain_smp(domain));
	if (gabi_qemu_parse(argument, strlen(argument), NULL, NULL, &line, NULL) || gabi_qemu_start(line, host, NULL, &guest, NULL))
		stop("a line is not taken");
	bench_use(gabi_qemu_guest_contract(guest) != NULL);
	gabi_qemu_guest_free(guest);
	gabi_qemu_free(line);
	gabi_domain_free(domain);
	gabi_xml_free(xml);
}

static void read_capabilities(size_t number)
{
	struct gabi_xml *xml = tree_of(number);
	struct gabi_host *made;

	if (gabi_capabilities_import(gabi_xml_root(xml), NULL, &made, NULL))
		stop("capabilities are not taken");
	bench_use(gabi_host_view(made));
	gabi_host_free(made);
	gabi_xml_free(xml);
}

static void read_tree(size_t number)
{
	size_t len = load(number);
	xmlDocPtr doc = xmlReadMemory(text, (int)len, "file", NULL, XML_PARSE_NONET);

	bench_use(doc != NULL);
	xmlFreeDoc(doc);
}

static double per_file(void (*read)(size_t number))
{
	uint64_t start = bench_now_ns();

	for (size_t i = 0; i < FILES; i++)
		read(i);
	return (double)(bench_now_ns() - start) / FILES;
}

static void measure(const char *name, void (*write)(size_t number), void (*read)(size_t number))
{
	double ns, peer;

	for (size_t i = 0; i < FILES; i++) {
		write(i);
		save(i);
	}
	ns = per_file(read);
	peer = per_file(read_tree);
	bench_print(&(struct bench_line){ "libvirt", name, FILES, ns, "libxml2's tree of the same", peer, "10,000 files that all differ; ns of one, read from the disk" });
}

static void read_host(const char *manifests)
{
	static char manifest[1 << 20], path[1024];
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "%s/amd-epyc-rome-linux-6.12.json", manifests);
	file = fopen(path, "re");
	len = file ? fread(manifest, 1, sizeof(manifest), file) : 0;
	if (!len || gabi_host_read(manifest, len, NULL, &host, NULL))
		stop("the host cannot be read");
	fclose(file);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: bench_libvirt DIRECTORY-OF-MANIFESTS\n");
		return 2;
	}
	read_host(argv[1]);
	if (!mkdtemp(directory))
		stop("there is no place for files");
	measure("a domain into its guest's contract", write_domain, read_domain);
	measure("domain capabilities into a manifest", write_capabilities, read_capabilities);
	for (size_t i = 0; i < FILES; i++)
		unlink(path_of(i));
	rmdir(directory);
	gabi_host_free(host);
	return 0;
}
