/* SPDX-License-Identifier: MIT */
#include "save.h"

#include "file.h"

#include <gabi/formats.h>

enum status save_text(const struct args *args, int err, char *text, size_t len)
{
	enum status status;

	if (err) {
		complain("%s", gabi_err_text(err));
		return STATUS_REFUSED;
	}
	status = file_write(args->option[OPTION_OUTPUT], text, len);
	gabi_text_free(text, NULL);
	return status;
}

enum status save_contract(const struct args *args, const struct gabi_contract *contract)
{
	char *text = NULL;
	size_t len = 0;
	int err = gabi_contract_write(contract, NULL, &text, &len);

	return save_text(args, err, text, len);
}

enum status save_host(const struct args *args, const struct gabi_host *host)
{
	char *text = NULL;
	size_t len = 0;
	int err = gabi_host_write(host, NULL, &text, &len);

	return save_text(args, err, text, len);
}
