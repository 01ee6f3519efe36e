/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a process shows of its threads as text, decoded. The names are the
 * process's own choice: any bytes are answered, none is believed further than
 * what mech/lcore.h says.
 */
#ifndef REEVE_MECH_LCORE_TEXT_H
#define REEVE_MECH_LCORE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/cpuset.h"

/*
 * /proc/<pid>/task/<tid>/comm: the lcore a DPDK worker is named after.
 * -EINVAL: no such name, or one that may have been cut short.
 */
int lcore_parse_comm(const char *text, size_t len, uint16_t *ret);

/* /proc/.../status: "Cpus_allowed_list:". -ENOENT without it, or as cpuset_parse(). */
int lcore_parse_allowed(const char *status, struct cpuset *ret);

#endif
