/* SPDX-License-Identifier: MIT */
#include "base.h"

static const struct {
	int err;
	const char *name, *text;
} rows[] = {
#define GABI_ERR_ROW(name, number, text) { -(number), "GABI_ERR_" #name, text },
#include <gabi/err.def>
};

const char *gabi_err_text(int err)
{
	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++)
		if (rows[i].err == err)
			return rows[i].text;
	return "no error";
}

const char *gabi_err_name(int err)
{
	for (size_t i = 0; i < GABI_COUNT_OF(rows); i++)
		if (rows[i].err == err)
			return rows[i].name;
	return "0";
}
