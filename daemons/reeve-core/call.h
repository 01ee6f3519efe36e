/* SPDX-License-Identifier: BSD-3-Clause */
/* The methods of io.reeve, and how they answer. */
#ifndef REEVE_CORE_CALL_H
#define REEVE_CORE_CALL_H

#include "core.h"
#include "ledger/lcore.h"
#include "wire/native.h"

/* One message of a client, without its NUL. */
void call_run(struct conn *c, const char *text, size_t len);
/* The connection ends: the planes that it holds are let go. */
void call_forget(struct conn *c);

typedef void call_fn(struct conn *c, const struct native_request *q);

/* Takes the reference; NULL is "out of memory" and ends the connection. */
void call_reply(struct conn *c, json_t *parameters);
/* The same with descriptors, which stay the caller's. */
void call_reply_fds(struct conn *c, json_t *parameters, const int *fds, unsigned nfds);
void call_fail_with(struct conn *c, const char *error, json_t *parameters);
/* io.reeve.`name` with one sentence. */
void call_fail(struct conn *c, const char *name, const char *why);
/* The same by a positive errno; call_refuse() records it as a refusal, too. */
void call_fail_errno(struct conn *c, int error, const char *why);
void call_refuse(struct conn *c, int error, const char *why);

/* nic_call.c, nic_list.c */
call_fn on_list_nics, on_acquire_queues, on_add_port, on_remove_port, on_acquire_address,
	on_add_flow, on_open_socket, on_list_ports, on_list_flows;

/* channel.c */
call_fn on_act_for, on_acquire_channel, on_release_lost;
/* Its holder gives a channel back; an administrator can't. */
void channel_release(struct conn *c, const struct lease *lease);

/* admin.c */
call_fn on_upgrade, on_stop;

/* list.c */
call_fn on_describe_host, on_list_leases, on_list_instances, on_list_tenants, on_status;

json_t *lease_json(struct core *core, const struct lease *l);
/* Each CPU of the host, and where it stands for who wants that. */
json_t *cpus_json(struct conn *c, const struct lcore_want *want);
/* Each network interface but loopback. */
json_t *nics_json(struct conn *c);

#endif
