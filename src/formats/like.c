/* SPDX-License-Identifier: MIT */
#include "formats/like.h"

#include "base/base.h"

int gabi_host_like(const struct gabi_host *host, const struct gabi_mem *mem, struct gabi_host **ret_host, struct gabi_diag *diag)
{
	struct gabi_host *made = gabi_host_new(gabi_host_arch(host), gabi_host_view(host), mem);
	const struct gabi_facts *facts = gabi_host_facts(host);
	int err = made ? 0 : gabi_fail(diag, GABI_ERR_NOMEM, "out of memory", (char *)NULL);

	for (size_t i = 0; !err && i < gabi_facts_count(facts); i++) {
		const char *value, *name = gabi_facts_at(facts, i, &value);

		err = gabi_host_set_fact(made, name, value, diag);
	}
	for (unsigned space = GABI_SPACE_NONE + 1; !err && space < GABI_SPACE_COUNT; space++)
		if (gabi_host_covers(host, space))
			err = gabi_host_cover(made, space);
	if (err)
		gabi_host_free(made);
	else
		*ret_host = made;
	return err;
}
