/* SPDX-License-Identifier: MIT */
#include "template.h"

#include "file.h"

#include <gabi/cloud_hypervisor.h>
#include <gabi/firecracker.h>
#include <gabi/vocab.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NOTES 16

static enum status read_template(const char *path, struct gabi_template **ret_template)
{
	struct gabi_diag diag = { 0 };
	struct text text;
	enum status status = file_read(path, &text);

	if (status)
		return status;
	if (gabi_template_read(text.at, text.len, NULL, ret_template, &diag))
		status = complain_diag(path, &diag);
	free(text.at);
	return status;
}

/* What the template says and Firecracker does not do. */
static void note_overwritten(const char *path, const struct gabi_template_modifier *modifier, size_t total)
{
	for (size_t i = 0; i < total && i < MOST_NOTES; i++) {
		char key[64];

		gabi_key_print(&modifier[i].key, key, sizeof(key));
		complain("note: %s: Firecracker sets bits 0x%" PRIx64 " of %s by itself, whatever the template says", path, modifier[i].bits, key);
	}
	if (total > MOST_NOTES)
		complain("note: %s: and so of %zu more", path, total - MOST_NOTES);
}

enum status template_lay_over(const char *path, const char *host_path, struct gabi_host **host)
{
	struct gabi_template_modifier overwritten[MOST_NOTES];
	struct gabi_template *tmpl;
	struct gabi_diag diag = { 0 };
	struct gabi_host *made;
	size_t total;
	enum status status = read_template(path, &tmpl);

	if (status)
		return status;
	if (gabi_template_apply(tmpl, *host, NULL, &made, overwritten, MOST_NOTES, &total, &diag)) {
		status = complain_diag(diag.err == GABI_ERR_ARG || diag.err == GABI_ERR_ARCH ? host_path : path, &diag);
	} else {
		note_overwritten(path, overwritten, total);
		gabi_host_free(*host);
		*host = made;
	}
	gabi_template_free(tmpl);
	return status;
}

enum status cloud_lay_over(const char *text, const char *host_path, struct gabi_host **host)
{
	struct gabi_cloud_cpus cpus;
	struct gabi_diag diag = { 0 };
	struct gabi_host *made;

	if (gabi_cloud_read(text, strlen(text), &cpus, &diag)) {
		complain_diag(NULL, &diag);
		return STATUS_USAGE;
	}
	if (gabi_cloud_apply(&cpus, *host, NULL, &made, &diag))
		return complain_diag(host_path, &diag);
	gabi_host_free(*host);
	*host = made;
	return STATUS_YES;
}
