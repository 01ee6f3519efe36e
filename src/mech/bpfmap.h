/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The few bpf(2) calls that a running daemon makes on maps which reeve-bpf made.
 * No library: linked by root. Contents: bpf/layout.h. All return 0, a
 * descriptor, or a negative errno.
 */
#ifndef REEVE_MECH_BPFMAP_H
#define REEVE_MECH_BPFMAP_H

#include <stdint.h>

/* New, private maps of an owner; close-on-exec. */
int bpfmap_new_table(uint32_t owner);  /* ARRAY of NIC_PORTS struct reeve_port */
int bpfmap_new_xskmap(uint32_t owner); /* XSKMAP of NIC_QUEUES_MAX slots */

int bpfmap_set(int map, const void *key, const void *value);
int bpfmap_get(int map, const void *key, void *value); /* -ENOENT */
/* What is not there is no error. */
int bpfmap_del(int map, const void *key);

#endif
