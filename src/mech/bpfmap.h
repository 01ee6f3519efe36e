/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The few bpf(2) calls that a running daemon makes on maps which reeve-bpf made.
 * No library: linked by root. Contents: bpf/layout.h. All return 0, a
 * descriptor, or a negative errno.
 */
#ifndef REEVE_MECH_BPFMAP_H
#define REEVE_MECH_BPFMAP_H

#include <stdint.h>

enum { BPFMAP_SOME_MAX = 4096 };

/* New, private maps of an owner; close-on-exec. */
int bpfmap_new_table(uint32_t owner);  /* ARRAY of NIC_PORTS struct reeve_port */
int bpfmap_new_xskmap(uint32_t owner); /* XSKMAP of NIC_QUEUES_MAX slots */

int bpfmap_set(int map, const void *key, const void *value);
int bpfmap_get(int map, const void *key, void *value); /* -ENOENT */
/*
 * The key behind `key` (NULL: the first), in an order of the map's own; -ENOENT at the
 * end. From a key that is not there it begins again.
 */
int bpfmap_next(int map, const void *key, void *ret);
/* Of an ARRAY: `n` values from element `first` on. */
int bpfmap_get_some(int map, uint32_t first, uint32_t n, void *values, uint32_t value_size);
/* The map that is pinned there, or that stands at `key` in a map of maps (needs CAP_SYS_ADMIN). */
int bpfmap_open(const char *path);
int bpfmap_inner(int map, uint32_t key);
/* Where the XDP link that is pinned there is attached; 0: nowhere any more. */
int bpfmap_link_ifindex(const char *path, uint32_t *ret);
/* What is not there is no error. */
int bpfmap_del(int map, const void *key);

#endif
