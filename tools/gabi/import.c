/* SPDX-License-Identifier: MIT */
/* gabi import: a manifest out of another tool's file. */
#include "file.h"
#include "save.h"
#include "xml.h"

#include <gabi/formats.h>
#include <gabi/libvirt.h>

#include <stdlib.h>
#include <string.h>

struct word {
	const char *text;
	int value;
};

static const struct word views[] = { { "kvm", GABI_VIEW_KVM }, { "guest", GABI_VIEW_GUEST }, { "cpu", GABI_VIEW_CPU } };
#define IMPORT_LIBVIRT 100 /* not of gabi_host_import: a tree goes in */

static const struct word formats[] = {
	{ "firecracker", GABI_IMPORT_FIRECRACKER }, { "cpuid", GABI_IMPORT_CPUID }, { "qemu", GABI_IMPORT_QEMU }, { "libvirt", IMPORT_LIBVIRT },
};

/* The value of an option that is one of few words; `usual` where it is not given, -1 where it is none of them. */
static int choose(const char *text, const struct word *words, size_t count, int usual)
{
	if (!text)
		return usual;
	for (size_t i = 0; i < count; i++)
		if (!strcmp(text, words[i].text))
			return words[i].value;
	return -1;
}

static enum status import_libvirt(const struct args *args, const struct text *text, struct gabi_host **ret_host)
{
	struct gabi_diag diag = { 0 };
	struct gabi_xml *xml;
	enum status status = xml_parse(args->file[0], text, &xml);

	if (status)
		return status;
	if (gabi_capabilities_import(xml_root(xml), NULL, ret_host, &diag))
		status = complain_diag(args->file[0], &diag);
	xml_free(xml);
	return status;
}

static enum status import(const struct args *args, int format, enum gabi_view view, struct gabi_host **ret_host)
{
	struct gabi_diag diag = { 0 };
	struct text text;
	enum status status = file_read(args->file[0], &text);

	if (status)
		return status;
	if (format == IMPORT_LIBVIRT || (format == GABI_IMPORT_GUESS && is_xml(&text)))
		status = import_libvirt(args, &text, ret_host);
	else if (gabi_host_import(text.at, text.len, (enum gabi_import)format, view, NULL, ret_host, &diag))
		status = complain_diag(args->file[0], &diag);
	free(text.at);
	return status;
}

enum status run_import(const struct args *args)
{
	int view = choose(args->option[OPTION_VIEW], views, sizeof(views) / sizeof(*views), GABI_VIEW_GUEST);
	int format = choose(args->option[OPTION_FORMAT], formats, sizeof(formats) / sizeof(*formats), GABI_IMPORT_GUESS);
	struct gabi_diag diag = { 0 };
	struct gabi_host *host;
	enum status status;

	if (view < 0 || format < 0) {
		complain("import: '%s' is no %s; %s", args->option[view < 0 ? OPTION_VIEW : OPTION_FORMAT],
			 view < 0 ? "view" : "format", view < 0 ? "kvm, guest and cpu are" : "firecracker, cpuid, qemu and libvirt are");
		return STATUS_USAGE;
	}
	status = import(args, format, (enum gabi_view)view, &host);
	if (status)
		return status;
	if (args->option[OPTION_NAME] && gabi_host_set_fact(host, "name", args->option[OPTION_NAME], &diag))
		status = complain_diag(NULL, &diag);
	if (!status)
		status = save_host(args, host);
	gabi_host_free(host);
	return status;
}
