/* SPDX-License-Identifier: MIT */
/* What domains of libvirt ask of QEMU; their files' names are the lines of standard input. Prints for each
 *   arguments CPU MACHINE SMP      or      error NAME SENTENCE */
#include <gabi/libvirt.h>

#include <stdio.h>
#include <string.h>

static char text[GABI_XML_MAX_LEN + 1];

static void print_domain(const struct gabi_xml_node *root)
{
	struct gabi_diag diag = { 0 };
	struct gabi_domain *domain;

	if (gabi_domain_read(root, NULL, NULL, &domain, &diag)) {
		printf("error\t%s\t%s: %s\n", gabi_err_name(diag.err), diag.where, diag.text);
		return;
	}
	printf("arguments\t%s\t%s\t%s\n", gabi_domain_cpu(domain), gabi_domain_machine(domain), gabi_domain_smp(domain));
	gabi_domain_free(domain);
}

static void print_file(const char *path)
{
	struct gabi_diag diag = { 0 };
	struct gabi_xml *xml;
	FILE *file = fopen(path, "rb");
	size_t len = file ? fread(text, 1, sizeof(text), file) : 0;

	if (file)
		fclose(file);
	if (gabi_xml_read(text, len, NULL, &xml, &diag)) {
		printf("error\t%s\t%s\n", gabi_err_name(diag.err), diag.text);
		return;
	}
	print_domain(gabi_xml_root(xml));
	gabi_xml_free(xml);
}

int main(void)
{
	char line[4096];

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		print_file(line);
	}
	return 0;
}
