/* SPDX-License-Identifier: MIT */
#include "hv.h"

const char *gabi_hv_act_text(unsigned kind)
{
	static const char *const texts[] = {
#define GABI_HV_ACT_ROW(name, text, what) text,
#include <gabi/hv_act.def>
	};

	return kind < GABI_COUNT_OF(texts) ? texts[kind] : NULL;
}

const char *gabi_hv_done_text(int done)
{
	static const char *const texts[] = { "done", "again", "#UD", "#GP" };

	if (done < 0)
		return gabi_err_text(done);
	return (size_t)done < GABI_COUNT_OF(texts) ? texts[done] : "unknown";
}
