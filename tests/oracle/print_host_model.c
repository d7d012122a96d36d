/* SPDX-License-Identifier: MIT */
/* What libvirt would take for host-model, of QEMU's answers in files; each line of standard input is "FILE MODEL...", the models that QEMU has
 * (all, if none is named). Prints for each
 *   model NAME +FEATURE -FEATURE...      or      error SENTENCE */
#include <gabi/formats.h>

#include "formats/libvirt.h"
#include "formats/libvirt_host.h"

#include <stdio.h>
#include <string.h>

static char text[1 << 22];

static bool is_listed(void *ctx, const struct gabi_model *model, const char *name)
{
	const char *list = ctx, *at = list;
	size_t len = strlen(name);

	(void)model;
	for (; *at; at += strspn(at, " ")) {
		size_t own = strcspn(at, " ");

		if (own == len && !memcmp(at, name, len))
			return true;
		at += own;
	}
	return !*list;
}

static void print_choice(const char *path, char *models)
{
	static struct gabi_libvirt_cpu cpu;
	struct gabi_diag diag = { 0 };
	struct gabi_host *host;
	FILE *file = fopen(path, "rb");
	size_t len = file ? fread(text, 1, sizeof(text), file) : 0, count;
	const struct gabi_word *word;

	if (file)
		fclose(file);
	if (gabi_host_import(text, len, GABI_IMPORT_QEMU, GABI_VIEW_GUEST, NULL, &host, &diag)) {
		printf("error\t%s\n", diag.text);
		return;
	}
	word = gabi_host_words(host, &count);
	if (gabi_libvirt_decode(word, count, is_listed, models, &cpu)) {
		printf("model\t%s\t", cpu.model);
		for (size_t i = 0; i < cpu.count; i++)
			printf("%c%s ", cpu.features[i].on ? '+' : '-', gabi_libvirt_name(cpu.features[i].name));
		printf("\n");
	} else {
		printf("error\tno model\n");
	}
	gabi_host_free(host);
}

int main(void)
{
	char line[65536];

	while (fgets(line, sizeof(line), stdin)) {
		char *models = line + strcspn(line, " \n");

		line[strcspn(line, "\n")] = '\0';
		if (*models)
			*models++ = '\0';
		print_choice(line, models);
	}
	return 0;
}
