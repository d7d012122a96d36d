/* SPDX-License-Identifier: MIT */
/* The commands for running guests, where none run. */
#include "gabi.h"

static enum status refuse(const char *command)
{
	complain("%s: guests are run on x86-64 alone, and this machine is none", command);
	return STATUS_REFUSED;
}

enum status run_ps(const struct args *args)
{
	(void)args;
	return refuse("ps");
}

enum status run_ctl(const struct args *args)
{
	(void)args;
	return refuse("ctl");
}

enum status run_save(const struct args *args)
{
	(void)args;
	return refuse("save");
}

enum status run_restore(const struct args *args)
{
	(void)args;
	return refuse("restore");
}

enum status run_migrate(const struct args *args)
{
	(void)args;
	return refuse("migrate");
}

enum status run_top(const struct args *args)
{
	(void)args;
	return refuse("top");
}
