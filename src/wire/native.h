/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io.reeve: JSON parameters to plain structs and model structs to JSON. Pure.
 * The interface is api/io.reeve.varlink; its text is varlink_io_reeve.
 */
#ifndef REEVE_WIRE_NATIVE_H
#define REEVE_WIRE_NATIVE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cpuset.h"
#include "base/err.h"
#include "model/event.h"
#include "model/nic.h"
#include "model/peer.h"
#include "model/res.h"

enum {
	NATIVE_API = 1,	       /* what this version speaks */
	NATIVE_API_LOWEST = 1, /* and the oldest it still serves */
	NATIVE_NAME_MAX = 64,

	/* OpenSocket: what is absent, and the limits; all powers of two. */
	NATIVE_XSK_FRAMES = 2048,
	NATIVE_XSK_FRAMES_MIN = 16,
	NATIVE_XSK_FRAMES_MAX = 16384,
	NATIVE_XSK_FRAME_SIZE = 2048,
	NATIVE_XSK_FRAME_SIZE_MAX = 4096,
	NATIVE_XSK_RING = 1024, /* entries of each of the four */
	NATIVE_XSK_RING_MIN = 16,
	NATIVE_XSK_RING_MAX = 4096,
};

extern const char varlink_io_reeve[];	  /* text of the interface */
extern const char varlink_io_reeve_net[]; /* that of reeve-netd */
extern const char varlink_org_service[];  /* text of org.varlink.service */

enum native_method {
	NATIVE_HELLO,
	NATIVE_DESCRIBE_HOST,
	NATIVE_ACQUIRE,
	NATIVE_EXPLAIN,
	NATIVE_RELEASE,
	NATIVE_LIST_NICS,
	NATIVE_ACQUIRE_QUEUES,
	NATIVE_ADD_PORT,
	NATIVE_REMOVE_PORT,
	NATIVE_ACQUIRE_ADDRESS,
	NATIVE_ADD_FLOW,
	NATIVE_OPEN_SOCKET,
	NATIVE_ACT_FOR,
	NATIVE_ACQUIRE_CHANNEL,
	NATIVE_RELEASE_LOST,
	NATIVE_LIST_PORTS,
	NATIVE_LIST_FLOWS,
	NATIVE_LIST_LEASES,
	NATIVE_LIST_INSTANCES,
	NATIVE_LIST_TENANTS,
	NATIVE_STATUS,
	NATIVE_EVENTS,
	NATIVE_HOLD_PLANE,
	NATIVE_UPGRADE,
	NATIVE_STOP,
	NATIVE_GET_INFO,      /* org.varlink.service */
	NATIVE_GET_INTERFACE, /* org.varlink.service.GetInterfaceDescription */
	NATIVE_METHOD_MAX,
};

struct native_request {
	enum native_method method;
	bool more, oneway;
	union {
		struct {
			int64_t lowest, highest;
		} hello;
		struct {
			uint32_t kind;	     /* enum res_kind */
			uint32_t count;	     /* 0: absent, then exact is not empty */
			struct cpuset exact; /* empty: absent */
			int32_t node;	     /* -1: absent */
			char near[16];	     /* "": absent */
			bool whole_core;
			uint64_t ttl_ns;
			char name[NATIVE_NAME_MAX];
		} acquire; /* and explain */
		struct {
			char nic[NIC_NAME_MAX];
			uint32_t count;	     /* 0: exact is not empty; 1 when both are absent */
			struct cpuset exact; /* of queue numbers below NIC_QUEUES_MAX */
			uint64_t ttl_ns;
			char name[NATIVE_NAME_MAX];
		} queues; /* acquire_queues */
		struct {
			char nic[NIC_NAME_MAX];
			uint16_t port; /* never 0 */
		} port;		       /* add_port, remove_port */
		struct {
			char nic[NIC_NAME_MAX];
			struct ipaddr ip; /* a unicast one */
			char name[NATIVE_NAME_MAX];
		} address; /* acquire_address */
		struct {
			char nic[NIC_NAME_MAX];
			struct flow flow; /* flow_check() holds */
		} flow;			  /* add_flow */
		struct {
			uint64_t lease;
			uint32_t frames, frame_size, ring; /* sound; the defaults when absent */
		} socket;				   /* open_socket */
		struct {
			struct peer peer; /* start_time and cgroup_id are not known */
			char name[NATIVE_NAME_MAX];
		} act; /* act_for */
		struct {
			uint64_t number, bytes; /* never 0 */
		} channel;			/* acquire_channel */
		struct {
			char tenant[32]; /* "": all one may see */
			uint64_t after;	 /* a row's number; 0: from the first */
		} list;
		uint64_t lease; /* release */
		uint64_t since; /* events */
		char plane[16]; /* hold_plane */
		bool keep;	/* stop */
		char interface[128];
	};
};

/* Why a call could not be understood: a Varlink error name and its parameters. */
struct native_fault {
	char error[64];	     /* "org.varlink.service.InvalidParameter" ... */
	char parameter[128]; /* the offending member, method or interface */
	bool oneway;	     /* the caller reads no answer: send none */
};

/*
 * -EBADMSG: not a Varlink call, hang up. -EINVAL: *fault is the answer. Unknown
 * members, wrong types, numbers out of range and contradictions (both count and
 * a list, both node and near, addresses of two kinds) are faults.
 */
int native_decode(const char *text, size_t len, struct native_request *ret,
		  struct native_fault *fault, struct err *e);

/* A reply for *fault, NUL included; malloc'ed, NULL when out of memory. */
char *native_fault_encode(const struct native_fault *fault, size_t *ret_len);

/* UTF-8 text that has no control character, and so can be shown as it is. */
bool native_text_plain(const char *text);

/* --- model to JSON; all return a new reference or NULL (out of memory) --- */

struct native_lease {
	uint64_t lease, instance;
	struct res res;
	struct ipaddr address; /* that `res` is about; zeros: none, or not known */
	const char *tenant;
	uint64_t since_ns;   /* wall clock */
	uint64_t expires_ns; /* wall clock; 0: none */
	bool whole_core;
	const char *enforced;
	bool known; /* its instance is: */
	uint32_t uid, pid;
	const char *name; /* raw bytes, made printable here */
};
json_t *native_lease_json(const struct native_lease *l);

struct native_instance {
	uint64_t instance;
	const char *kind, *name, *tenant; /* name: raw bytes, made printable here */
	uint32_t pid, uid, gid, claimed_pid;
	uint64_t cgroup_id, since_ns;
	uint32_t leases;
	bool orphan;
};
json_t *native_instance_json(const struct native_instance *i);

struct native_cpu {
	unsigned cpu, package, core;
	int node;
	bool isolated;
	const char *state;
	uint64_t lease;	    /* 0: none, or not the caller's to see */
	const char *tenant; /* NULL likewise */
};
json_t *native_cpu_json(const struct native_cpu *c);

struct native_nic {
	const char *name, *kind, *why;
	uint32_t ifindex;
	int32_t node;
	bool up, usable, foreign;
	uint32_t queues, users, program;
	const struct cpuset *leasable, *free;
	uint32_t form, mode; /* enum nic_form, enum nic_mode */
	const char *flows;
};
json_t *native_nic_json(const struct native_nic *n);

struct native_port {
	uint64_t lease, instance;
	const char *nic, *tenant;
	uint32_t ifindex, uses;
	uint16_t port;
	bool counted; /* packets and bytes are known */
	uint64_t packets, bytes;
};
json_t *native_port_json(const struct native_port *p);

struct native_flow {
	uint64_t lease, instance;
	const char *nic, *tenant;
	uint32_t ifindex, rule;
	bool soft;
	const struct flow *flow;
};
json_t *native_flow_json(const struct native_flow *f);

struct native_tenant {
	const char *name;
	const struct quota *quota;
	const uint32_t *used; /* RES_KIND_MAX of them */
	uint32_t instances;
	const struct cpuset *cpus;
	const char *cgroup, *enforced;
	uint64_t granted, refused;
	bool retired;
};
json_t *native_tenant_json(const struct native_tenant *t);

json_t *native_event_json(const struct event *ev, const char *tenant);

#endif
