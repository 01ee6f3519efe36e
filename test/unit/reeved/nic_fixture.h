/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests as the core makes them, over the host of host.h. Included once by each test. */
#ifndef TEST_REEVED_NIC_FIXTURE_H
#define TEST_REEVED_NIC_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include "base/str.h"
#include "bpf/layout.h"
#include "host.h"

#include <cmocka.h>

enum { SERIAL = 40 };

static inline void use_config(void)
{
	struct conf *c = &host.d.conf;

	conf_defaults(c);
	c->ntenants = 4;
	str_copy(c->tenants[MEDIA].name, TENANT_NAME_MAX, "media");
	str_copy(c->tenants[OTHER].name, TENANT_NAME_MAX, "other");
	c->tenants[MEDIA].quota.max[RES_XDP] = 4;
	c->tenants[OTHER].quota.max[RES_XDP] = 4;
	c->tenants[MEDIA].quota.max[RES_ADDRESS] = c->tenants[OTHER].quota.max[RES_ADDRESS] =
		QUOTA_NONE;
	c->tenants[MEDIA].nnets = c->tenants[OTHER].nnets = 2;
	assert_int_equal(ip_net_parse("10.1.0.0/16", &c->tenants[MEDIA].nets[0]), 0);
	assert_int_equal(ip_net_parse("fd00::/64", &c->tenants[MEDIA].nets[1]), 0);
	memcpy(c->tenants[OTHER].nets, c->tenants[MEDIA].nets, sizeof(c->tenants[OTHER].nets));
	c->nnics = 1;
	str_copy(c->nics[0].text, NIC_NAME_MAX, "ens1");
	c->nnic_confs = 1;
	c->nic_confs[0] = (struct nic_conf){
		.name = { "ens1" }, .channels = 4, .system_queues = 1, .soft_flows = 1
	};
	assert_int_equal(conf_check(c, NULL), 0);
}

static inline int setup_host(void **state)
{
	struct err e;

	(void)state;
	memset(&host, 0, sizeof(host));
	host.d.conf_serial = 1;
	host.ens1_name = "ens1";
	host.channels = 8;
	host.ntuple_possible = true;
	use_config();
	return nics_open(&host.d, &e);
}

/* Its answer is in host.sent; 0 or the error of a PP_RESULT. */
static inline int ask(union pp_msg m)
{
	unsigned before = host.nsent;

	assert_int_equal(pp_check(&m, pp_size(m.head.type), 0, PP_CORE), 0);
	nic_ops_handle(&host.d, &m);
	if (!m.head.serial || host.nsent == before)
		return 0;
	assert_int_equal(host.nsent, before + 1);
	assert_int_equal(host.sent.head.serial, m.head.serial);
	return host.sent.head.type == PP_RESULT ? host.sent.result.error : 0;
}

static inline const char *why(void)
{
	return host.sent.result.why;
}

static inline union pp_msg open_as(uint32_t form)
{
	union pp_msg m = { .nic_open = { .head = { PP_NIC_OPEN, SERIAL },
					 .ifindex = ENS1,
					 .form = form,
					 .conf_serial = 1,
					 .name = "ens1" } };

	return m;
}

static inline void close_ens1(void)
{
	ask((union pp_msg){ .nic_close = { .head = { PP_NIC_CLOSE, 0 }, .ifindex = ENS1 } });
}

/* In the single form it is there when its maps are. */
static inline int begin_owner(uint32_t number, uint32_t tenant)
{
	return ask((union pp_msg){ .nic_owner = { .head = { PP_NIC_OWNER, SERIAL },
						  .ifindex = ENS1,
						  .owner = number,
						  .tenant = tenant,
						  .conf_serial = 1,
						  .on = 1 } });
}

static inline int end_owner(uint32_t number, uint32_t serial)
{
	return ask((union pp_msg){ .nic_owner = { .head = { PP_NIC_OWNER, serial },
						  .ifindex = ENS1,
						  .owner = number } });
}

static inline int owner(uint32_t number, uint32_t tenant, bool on)
{
	int r = on ? begin_owner(number, tenant) : end_owner(number, SERIAL);

	if (!host_loader_does(LOADER_OWNER))
		return r;
	host_loader_makes_owner();
	return host.sent.result.error;
}

static inline int queue(uint32_t number, uint32_t queue, bool on)
{
	return ask((union pp_msg){ .nic_queue = { .head = { PP_NIC_QUEUE, SERIAL },
						  .ifindex = ENS1,
						  .owner = number,
						  .queue = queue,
						  .on = on } });
}

static inline int port(uint32_t number, uint32_t port, bool on)
{
	return ask((union pp_msg){ .nic_port = { .head = { PP_NIC_PORT, SERIAL },
						 .ifindex = ENS1,
						 .owner = number,
						 .port = port,
						 .on = on } });
}

static inline int address(uint32_t number, const char *text, bool on)
{
	union pp_msg m = { .nic_address = { .head = { PP_NIC_ADDRESS, SERIAL },
					    .ifindex = ENS1,
					    .owner = number,
					    .on = on } };

	assert_int_equal(ipaddr_parse(text, &m.nic_address.address), 0);
	return ask(m);
}

static inline union pp_msg flow_to(uint32_t number, uint32_t queue, uint16_t dst_port)
{
	union pp_msg m = { .nic_flow = { .head = { PP_NIC_FLOW, SERIAL },
					 .ifindex = ENS1,
					 .owner = number,
					 .on = 1,
					 .flow = { .queue = (uint16_t)queue,
						   .dst_port = dst_port,
						   .dst = { 239, 1, 1, 1 } } } };

	return m;
}

static inline int soft_flow(uint32_t number, uint32_t id, uint16_t dst_port, bool on)
{
	union pp_msg m = flow_to(number, 1, dst_port);

	m.nic_flow.soft = 1;
	m.nic_flow.location = id;
	m.nic_flow.on = on;
	m.nic_flow.flow.src[0] = (uint8_t)id;
	return ask(m);
}

static inline int hard_flow(uint32_t number, uint32_t queue, uint16_t dst_port)
{
	return ask(flow_to(number, queue, dst_port));
}

static inline int end_hard_flow(uint32_t number, uint32_t location)
{
	union pp_msg m = flow_to(number, 0, 1);

	m.nic_flow.on = 0;
	m.nic_flow.location = location;
	return ask(m);
}

static inline int get_map(uint32_t number)
{
	ask((union pp_msg){
		.nic_map = { .head = { PP_NIC_MAP, SERIAL }, .ifindex = ENS1, .owner = number } });
	return host.sent.nic_fds.error;
}

static inline void begin_socket(uint32_t number, uint32_t queue)
{
	ask((union pp_msg){ .nic_xsk = { .head = { PP_NIC_XSK, SERIAL },
					 .ifindex = ENS1,
					 .owner = number,
					 .queue = queue,
					 .frames = 64,
					 .frame_size = 2048,
					 .rx = 64,
					 .fill = 64 } });
}

static inline int get_socket(uint32_t number, uint32_t queue)
{
	begin_socket(number, queue);
	if (host_loader_does(LOADER_XSK))
		host_loader_makes_socket();
	return host.sent.nic_fds.error;
}

/* Open, in this form, with nobody on it. */
static inline void open_ens1(enum nic_form form)
{
	ask(open_as(NIC_WANT_EITHER));
	host_loader_attaches(form, 8);
	assert_int_equal(host.sent.result.error, 0);
}

static inline int teardown_host(void **state)
{
	(void)state;
	nics_close_all(&host.d);
	while (host_loader_does(LOADER_OWNER))
		host_loader_makes_owner();
	while (host_loader_does(LOADER_XSK))
		host_loader_makes_socket();
	while (host_loader_request())
		host_loader_detaches();
	assert_int_equal(host.d.nics.owners, 0);
	assert_int_equal(host.d.nics.nsockets, 0);
	return nics_idle(&host.d.nics) ? 0 : -1;
}

#define with_host(f) cmocka_unit_test_setup_teardown(f, setup_host, teardown_host)

static inline struct iface *ens1(void)
{
	return iface_find(&host.d.nics, ENS1);
}

static inline struct reeve_port element(uint32_t number, uint32_t port_number)
{
	struct reeve_port value;

	host_element(owner_find(ens1(), number)->table, &port_number, sizeof(port_number), &value,
		     sizeof(value));
	return value;
}

static inline void expect_call(unsigned nth, int map, uint32_t key, bool set)
{
	assert_true(nth < host.ncalls);
	assert_int_equal(host.calls[nth].map, map);
	assert_int_equal(host.calls[nth].key, key);
	assert_int_equal(host.calls[nth].set, set);
}

#endif
