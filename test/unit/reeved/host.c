/* SPDX-License-Identifier: BSD-3-Clause */
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "bpf/layout.h"
#include "mech/bpfmap.h"
#include "mech/ethgroup.h"
#include "mech/localaddr.h"

struct host host;

unsigned host_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/* --- the kernel ------------------------------------------------------------------ */

void host_fail(int nth, int code)
{
	host.ncalls = 0;
	host.fail_at = nth;
	host.fail_code = code;
}

static int kernel_call(void)
{
	if (host.fail_at && --host.fail_at == 0)
		return -host.fail_code;
	return 0;
}

static int new_fd(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static size_t key_size(int map)
{
	if (host.d.nics.first && host.d.nics.first->form == NIC_FORM_SINGLE &&
	    map == host.maps[LOADER_FD_FLOWS])
		return sizeof(struct reeve_flow_key);
	if (host.d.nics.first && host.d.nics.first->form == NIC_FORM_SINGLE &&
	    map == host.maps[LOADER_FD_ADDRESSES])
		return sizeof(struct reeve_address);
	if (host.d.nics.first && host.d.nics.first->form == NIC_FORM_DISPATCHER &&
	    map == host.maps[LOADER_FD_FILTER])
		return sizeof(uint16_t);
	return sizeof(uint32_t);
}

static struct element *find(int map, const void *key, size_t size)
{
	for (int i = 0; i < ELEMENTS_MAX; i++) {
		struct element *e = &host.elements[i];

		if (e->map == map && e->key_size == size && !memcmp(e->key, key, size))
			return e;
	}
	return NULL;
}

static struct element *find_unused(void)
{
	for (int i = 0; i < ELEMENTS_MAX; i++)
		if (!host.elements[i].map)
			return &host.elements[i];
	return NULL;
}

static void note(int map, const void *key, bool set)
{
	struct call *c = &host.calls[host.ncalls % CALLS_MAX];

	host.ncalls++;
	*c = (struct call){ .map = map, .set = set };
	memcpy(&c->key, key, key_size(map) < sizeof(c->key) ? key_size(map) : sizeof(c->key));
}

/* It has nothing from the one that had its number before. */
static int empty_map(void)
{
	int fd = new_fd();

	for (int i = 0; i < ELEMENTS_MAX; i++)
		if (host.elements[i].map == fd)
			host.elements[i].map = 0;
	return fd;
}

static size_t value_size(int map)
{
	if (key_size(map) == sizeof(struct reeve_flow_key))
		return sizeof(uint32_t);
	if (key_size(map) == sizeof(uint16_t))
		return sizeof(struct reeve_count);
	for (int i = 0; i < LOADER_FDS_MAX; i++)
		if (map == host.maps[i])
			return sizeof(uint32_t);
	for (const struct owner *o = host.d.nics.first ? host.d.nics.first->owners : NULL; o;
	     o = o->next)
		if (map == o->table)
			return sizeof(struct reeve_port);
	return sizeof(uint32_t);
}

int bpfmap_set(int map, const void *key, const void *value)
{
	size_t size = key_size(map);
	struct element *e = find(map, key, size);
	int r = kernel_call();

	if (r < 0)
		return r;
	note(map, key, true);
	if (!e)
		e = find_unused();
	if (!e)
		return -E2BIG;
	*e = (struct element){ .map = map, .key_size = size };
	memcpy(e->key, key, size);
	memcpy(e->value, value, value_size(map));
	return 0;
}

int bpfmap_get(int map, const void *key, void *value)
{
	const struct element *e = find(map, key, key_size(map));
	int r = kernel_call();

	if (r < 0)
		return r;
	if (!e && key_size(map) != sizeof(uint32_t))
		return -ENOENT;
	memset(value, 0, value_size(map));
	if (e)
		memcpy(value, e->value, value_size(map));
	return 0;
}

int bpfmap_next(int map, const void *key, void *ret)
{
	(void)map;
	(void)key;
	(void)ret;
	return -ENOENT;
}

int bpfmap_get_some(int map, uint32_t first, uint32_t n, void *values, uint32_t value_size)
{
	(void)map;
	(void)first;
	(void)n;
	(void)values;
	(void)value_size;
	return -ENOTSUP;
}

/* Nothing is pinned here: what a predecessor left can only be undone. */
int bpfmap_open(const char *path)
{
	(void)path;
	return -ENOENT;
}

int bpfmap_inner(int map, uint32_t key)
{
	(void)map;
	(void)key;
	return -ENOENT;
}

int bpfmap_link_ifindex(const char *path, uint32_t *ret)
{
	(void)path;
	(void)ret;
	return -ENOENT;
}

int bpfmap_del(int map, const void *key)
{
	struct element *e = find(map, key, key_size(map));

	note(map, key, false);
	if (e)
		e->map = 0;
	return 0;
}

void host_element(int map, const void *key, size_t size, void *value, size_t len)
{
	const struct element *e = find(map, key, size);

	memset(value, 0, len);
	if (e)
		memcpy(value, e->value, len);
}

bool host_has(int map, uint32_t key)
{
	return find(map, &key, sizeof(key)) != NULL;
}

unsigned host_elements(int map)
{
	unsigned n = 0;

	for (int i = 0; i < ELEMENTS_MAX; i++)
		n += host.elements[i].map == map;
	return n;
}

int iface_name(uint32_t ifindex, char ret[static NIC_NAME_MAX], struct err *e)
{
	if (ifindex == ENS1 && !host.ens1_gone)
		str_copy(ret, NIC_NAME_MAX, host.ens1_name);
	else if (ifindex == ENS2)
		str_copy(ret, NIC_NAME_MAX, "ens2");
	else if (ifindex == LO)
		str_copy(ret, NIC_NAME_MAX, "lo");
	else
		return fail(e, ENODEV, "there is no interface %u", ifindex);
	return 0;
}

int iface_check(const char *name, struct err *e)
{
	return strcmp(name, "lo") ? 0 : fail(e, EINVAL, "it is the loopback interface");
}

uint32_t iface_channels(struct ethtool_port *port, const char *name)
{
	(void)port;
	(void)name;
	return host.channels;
}

static int by_map_and_key(const void *a, const void *b)
{
	return memcmp(a, b, offsetof(struct element, value));
}

/* An owner's maps go as a whole; a queue's owner 0 is what an array has from the start. */
static bool is_nothing(const struct element *e)
{
	static const uint8_t zero[sizeof(e->value)];

	if (!e->map || fcntl(e->map, F_GETFD) < 0)
		return true;
	return e->map == host.maps[LOADER_FD_OWNERS] && !memcmp(e->value, zero, sizeof(zero));
}

void host_look(struct kernel *ret)
{
	unsigned n = 0;

	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < ELEMENTS_MAX; i++)
		if (!is_nothing(&host.elements[i]))
			ret->elements[n++] = host.elements[i];
	qsort(ret->elements, n, sizeof(ret->elements[0]), by_map_and_key);
	memcpy(ret->rules, host.rules, sizeof(ret->rules));
	memcpy(ret->groups, host.groups, sizeof(ret->groups));
	ret->fds = host_open_fds();
}

/* --- flow rules of the NIC ---------------------------------------------------------- */

static struct ethtool_port port;

int ethtool_port_open(struct ethtool_port **ret)
{
	*ret = &port;
	return 0;
}

int ntuple_capacity(struct ethtool_port *p, const char *ifname)
{
	(void)p;
	(void)ifname;
	return host.ntuple_on ? RULES_MOST : -EOPNOTSUPP;
}

int ntuple_enable(struct ethtool_port *p, const char *ifname, bool *ret_changed)
{
	(void)p;
	(void)ifname;
	if (!host.ntuple_possible)
		return -EOPNOTSUPP;
	*ret_changed = !host.ntuple_on;
	host.ntuple_on = true;
	return 0;
}

int ntuple_disable(struct ethtool_port *p, const char *ifname)
{
	(void)p;
	(void)ifname;
	host.ntuple_on = false;
	return 0;
}

int ntuple_insert(struct ethtool_port *p, const char *ifname, const struct flow *flow,
		  uint32_t *ret_location, struct err *e)
{
	int r = kernel_call();

	(void)p;
	(void)ifname;
	(void)flow;
	if (r < 0)
		return fail(e, -r, "no rule");
	for (int i = 0; i < RULES_MOST; i++)
		if (!host.rules[i]) {
			*ret_location = host.rules[i] = ++host.next_location;
			return 0;
		}
	return fail(e, ENOSPC, "the table is full");
}

int ntuple_delete(struct ethtool_port *p, const char *ifname, uint32_t location, struct err *e)
{
	(void)p;
	(void)ifname;
	for (int i = 0; i < RULES_MOST; i++)
		if (host.rules[i] == location) {
			host.rules[i] = 0;
			return 0;
		}
	return fail(e, ENOENT, "no such rule");
}

/* --- addresses ------------------------------------------------------------------------- */

int ethgroup_socket(void)
{
	int r = kernel_call();

	return r < 0 ? r : new_fd();
}

static bool change_group(const uint8_t from[6], const uint8_t to[6])
{
	for (int i = 0; i < GROUPS_MOST; i++)
		if (!memcmp(host.groups[i], from, 6)) {
			memcpy(host.groups[i], to, 6);
			return true;
		}
	return false;
}

static const uint8_t no_group[6];

int ethgroup_join(int sock, uint32_t ifindex, const uint8_t group[static 6])
{
	int r = kernel_call();

	(void)sock;
	(void)ifindex;
	if (r < 0)
		return r;
	return change_group(no_group, group) ? 0 : -ENOBUFS;
}

int ethgroup_leave(int sock, uint32_t ifindex, const uint8_t group[static 6])
{
	(void)sock;
	(void)ifindex;
	return change_group(group, no_group) ? 0 : -EADDRNOTAVAIL;
}

int localaddr_has(const struct ipaddr *a, uint32_t ifindex)
{
	int r = kernel_call();

	(void)ifindex;
	return r < 0 ? r : ipaddr_equal(a, &host.local);
}

/* --- the loader ------------------------------------------------------------------------ */

void loader_start(struct reeved *d, struct loader_run *run, const struct loader_request *request,
		  const int *fds, loader_done *done)
{
	int r = kernel_call();

	(void)fds;
	*run = (struct loader_run){ .d = d, .request = *request, .done = done };
	host.runs[host.nruns++] = run;
	if (r < 0) {
		/* As when no process can be started. */
		struct loader_answer a = { .error = -r, .why = "the loader's sentence" };

		host.nruns--;
		done(run, &a, NULL);
	}
}

const struct loader_request *host_loader_request(void)
{
	return host.nruns ? &host.runs[0]->request : NULL;
}

static struct loader_run *take_run(unsigned i)
{
	struct loader_run *run = host.runs[i];

	host.nruns--;
	memmove(&host.runs[i], &host.runs[i + 1], (host.nruns - i) * sizeof(host.runs[0]));
	return run;
}

static unsigned find_run(enum loader_op op)
{
	unsigned i = 0;

	while (i < host.nruns && host.runs[i]->request.op != op)
		i++;
	return i;
}

bool host_loader_does(enum loader_op op)
{
	return find_run(op) < host.nruns;
}

void host_loader_fails(int error, bool lost)
{
	struct loader_answer a = { .error = error, .why = "the loader's sentence" };
	struct loader_run *run = take_run(0);

	run->lost = lost;
	run->done(run, &a, NULL);
}

void host_loader_attaches(enum nic_form form, uint32_t channels_were)
{
	struct loader_answer a = { .form = form,
				   .mode = NIC_MODE_NATIVE,
				   .channels_were = channels_were,
				   .nfds = form == NIC_FORM_SINGLE ? LOADER_FD_SINGLE_MAX : 2 };
	struct loader_run *run = take_run(find_run(LOADER_ATTACH));
	int fds[LOADER_FDS_MAX];

	for (uint32_t i = 0; i < LOADER_FDS_MAX; i++)
		fds[i] = i < a.nfds ? empty_map() : -1;
	memcpy(host.maps, fds, sizeof(fds));
	run->done(run, &a, fds);
}

static void makes(enum loader_op op)
{
	struct loader_answer a = { .value = op == LOADER_XSK, .nfds = 2 };
	struct loader_run *run = take_run(find_run(op));

	run->done(run, &a, (int[]){ empty_map(), empty_map() });
}

void host_loader_makes_owner(void)
{
	makes(LOADER_OWNER);
}

void host_loader_makes_socket(void)
{
	makes(LOADER_XSK);
}

void host_loader_detaches(void)
{
	struct loader_answer a = { 0 };
	struct loader_run *run = take_run(find_run(LOADER_DETACH));

	run->done(run, &a, NULL);
}

/* --- the rest of reeved ------------------------------------------------------------------ */

int state_map(const struct reeved *d, const char *name, size_t bytes, void **ret, struct err *e)
{
	(void)d;
	(void)name;
	(void)bytes;
	(void)e;
	*ret = &host.table;
	return 0;
}

int core_send(struct reeved *d, const void *msg, const int *fds, unsigned nfds)
{
	const struct pp_head *head = msg;

	(void)d;
	(void)fds;
	memcpy(&host.sent, msg, pp_size(head->type));
	host.sent_fds = nfds;
	host.nsent++;
	return pp_check(&host.sent, pp_size(head->type), nfds, PP_REEVED);
}

void ops_answer(struct reeved *d, const struct pp_head *to, int error, uint32_t value,
		const struct err *e)
{
	struct pp_result m = { .head = { .type = PP_RESULT, .serial = to->serial },
			       .error = -error,
			       .value = value };

	str_copy(m.why, sizeof(m.why), e->text);
	core_send(d, &m, NULL, 0);
}

void ops_refused(const char *what, const struct err *e)
{
	(void)what;
	(void)e;
	host.refusals++;
}

void reeved_may_end(struct reeved *d)
{
	(void)d;
}
