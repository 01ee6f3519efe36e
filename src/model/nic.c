/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/nic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const form_names[] = {
	[NIC_FORM_NONE] = "none",
	[NIC_FORM_DISPATCHER] = "dispatcher",
	[NIC_FORM_SINGLE] = "single",
};
static const char *const mode_names[] = {
	[NIC_MODE_NONE] = "none",
	[NIC_MODE_NATIVE] = "native",
	[NIC_MODE_GENERIC] = "generic",
};
static const char *const want_form_names[] = {
	[NIC_WANT_AUTO] = "auto",
	[NIC_WANT_DISPATCHER] = "dispatcher",
	[NIC_WANT_SINGLE] = "single",
	[NIC_WANT_EITHER] = "either",
};
static const char *const want_mode_names[] = {
	[NIC_MODE_AUTO] = "auto",
	[NIC_MODE_ONLY_NATIVE] = "native",
	[NIC_MODE_ONLY_GENERIC] = "generic",
};

#define NAMES(table, max) \
	_Static_assert(sizeof(table) / sizeof((table)[0]) == (max), "a name for each")
NAMES(form_names, NIC_FORM_MAX);
NAMES(mode_names, NIC_MODE_MAX);
NAMES(want_form_names, NIC_WANT_MAX);
NAMES(want_mode_names, NIC_WANT_MODE_MAX);

static int parse(const char *const *names, int max, const char *name)
{
	for (int i = 0; i < max; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -ENOENT;
}

const char *nic_form_name(uint32_t form)
{
	return form < NIC_FORM_MAX ? form_names[form] : NULL;
}

const char *nic_mode_name(uint32_t mode)
{
	return mode < NIC_MODE_MAX ? mode_names[mode] : NULL;
}

const char *nic_want_form_name(uint32_t want)
{
	return want < NIC_WANT_MAX ? want_form_names[want] : NULL;
}

int nic_want_form_parse(const char *name)
{
	return parse(want_form_names, NIC_WANT_MAX, name);
}

const char *nic_want_mode_name(uint32_t want)
{
	return want < NIC_WANT_MODE_MAX ? want_mode_names[want] : NULL;
}

int nic_want_mode_parse(const char *name)
{
	return parse(want_mode_names, NIC_WANT_MODE_MAX, name);
}

/* As the kernel: it also keeps ':' from names, which once told aliases apart. */
bool nic_name_sound(const char name[static NIC_NAME_MAX])
{
	size_t len = strnlen(name, NIC_NAME_MAX);

	if (len == 0 || len == NIC_NAME_MAX)
		return false;
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	return !strpbrk(name, "/: \t\n\v\f\r");
}

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n)
		if (p[--n])
			return false;
	return true;
}

int flow_check(const struct flow *f)
{
	if (f->ipv6 > 1 || f->pad || f->queue >= NIC_QUEUES_MAX)
		return -EINVAL;
	if (!f->ipv6 && (!is_zero(f->src + 4, 12) || !is_zero(f->dst + 4, 12)))
		return -EINVAL;
	if (!f->src_port && !f->dst_port && is_zero(f->src, 16) && is_zero(f->dst, 16))
		return -EINVAL;
	return 0;
}

/* "192.0.2.1:5000", "[2001:db8::1]:5000", "*:*" */
static void format_end(bool ipv6, const uint8_t addr[static 16], uint16_t port,
		       char ret[static INET6_ADDRSTRLEN + 16])
{
	char address[INET6_ADDRSTRLEN] = "*", number[8] = "*";
	bool brackets = ipv6 && !is_zero(addr, 16);

	if (!is_zero(addr, 16))
		inet_ntop(ipv6 ? AF_INET6 : AF_INET, addr, address, sizeof(address));
	if (port)
		snprintf(number, sizeof(number), "%u", port);
	snprintf(ret, INET6_ADDRSTRLEN + 16, brackets ? "[%s]:%s" : "%s:%s", address, number);
}

unsigned flow_format(const struct flow *f, char *buf, unsigned size)
{
	char src[INET6_ADDRSTRLEN + 16], dst[INET6_ADDRSTRLEN + 16];
	unsigned n;

	format_end(f->ipv6, f->src, f->src_port, src);
	format_end(f->ipv6, f->dst, f->dst_port, dst);
	n = (unsigned)snprintf(buf, size, "%s -> %s to queue %u", src, dst, f->queue);
	return n < size ? n : size - 1;
}
