/* SPDX-License-Identifier: MIT */
#include "models.h"

#include "file.h"

#include <gabi/formats.h>

#include <stdlib.h>
#include <string.h>

static enum status load_file(const char *path, struct gabi_model_set *set)
{
	struct gabi_diag diag = { 0 };
	struct text text;
	enum status status = file_read(path, &text);

	if (status)
		return status;
	if (gabi_models_read(text.at, text.len, NULL, set, &diag))
		status = complain_diag(path, &diag) == STATUS_REFUSED ? STATUS_REFUSED : STATUS_INPUT;
	free(text.at);
	return status;
}

enum status models_load(const struct args *args, struct gabi_model_set **ret_set)
{
	const char *path = args->option[OPTION_MODELS];
	struct gabi_model_set *set;
	struct file_list list;
	enum status status;

	*ret_set = NULL;
	if (!path)
		return STATUS_YES;
	status = file_list(path, ".json", &list);
	if (status)
		return status;
	if (gabi_model_set_new(NULL, &set)) {
		complain("out of memory");
		status = STATUS_REFUSED;
	}
	for (size_t i = 0; !status && i < list.count; i++)
		status = load_file(list.path[i], set);
	file_list_free(&list);
	if (status)
		gabi_model_set_free(set);
	else
		*ret_set = set;
	return status;
}

enum status cpu_parse(const char *text, const struct gabi_model_set *own, struct gabi_cpu **ret_cpu)
{
	struct gabi_diag diag = { 0 };

	if (gabi_cpu_parse(text, strlen(text), own, NULL, ret_cpu, &diag))
		return complain_diag(NULL, &diag) == STATUS_REFUSED ? STATUS_REFUSED : STATUS_USAGE;
	for (size_t i = 0; i < gabi_cpu_note_count(*ret_cpu); i++)
		complain("note: %s", gabi_cpu_note(*ret_cpu, i));
	return STATUS_YES;
}
