/* SPDX-License-Identifier: MIT */
/* What the socket's commands do to a monitor. */
#ifndef GABI_VMM_SERVE_H
#define GABI_VMM_SERVE_H

#include "monitor.h"
#include "place.h"

struct vmm_service;

/* Serves the socket of that place, on threads of its own, until _stop. The monitor and the place must outlive it. */
int vmm_service_start(struct vmm_monitor *monitor, const struct vmm_place *place, struct vmm_service **ret_service, struct gabi_diag *diag);
void vmm_service_stop(struct vmm_service *service); /* NULL is fine */

#endif
