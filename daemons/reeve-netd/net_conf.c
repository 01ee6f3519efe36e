/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jansson is the strictest of the parsers about, and with JSON_REJECT_DUPLICATES it takes
 * no key twice. What it leaves to us: the file's size, NUL bytes (its own sentence about
 * them is cut by them) and the text of its errors, which quotes the file as it is.
 */
#include "reeve-netd/net_conf.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "reeve-netd/net_conf_keys.h"

enum { NAME_MAX_SHOWN = 60 };

/* The end of a long path says more than its beginning. */
static const char *shown(char to[static NAME_MAX_SHOWN], const char *name)
{
	size_t len = strlen(name), most = NAME_MAX_SHOWN - sizeof("...");

	if (len < NAME_MAX_SHOWN) {
		str_escape(to, NAME_MAX_SHOWN, name, len);
		return to;
	}
	str_copy(to, NAME_MAX_SHOWN, "...");
	str_escape(to + 3, NAME_MAX_SHOWN - 3, name + len - most, most);
	return to;
}

/* --- one interface -------------------------------------------------------- */

static const char *parse_octet(const char *p, uint8_t *ret)
{
	unsigned value = 0, digits = 0;

	for (; digits < 2 && isxdigit((unsigned char)*p); p++, digits++)
		value = value * 16 + (isdigit((unsigned char)*p)
					      ? (unsigned)(*p - '0')
					      : (unsigned)(tolower((unsigned char)*p) - 'a') + 10);
	*ret = (uint8_t)value;
	return digits ? p : NULL;
}

/* As the original's sscanf(): one or two digits for each, but the whole text. */
static bool parse_mac(const char *text, uint8_t ret[static 6])
{
	for (unsigned i = 0; i < 6; i++) {
		text = parse_octet(text, &ret[i]);
		if (!text || *text++ != (i < 5 ? ':' : '\0'))
			return false;
	}
	return true;
}

static int set_mac(struct build *b, const char *text, struct err *e)
{
	static const uint8_t zero[6];
	uint8_t *mac = build_iface(b)->mac;
	char q[QUOTE_MAX];

	if (!parse_mac(text, mac))
		return fail(e, EINVAL, "\"%s\" is no MAC address", quote(q, text));
	if (mac[0] & 1 || !memcmp(mac, zero, sizeof(zero)))
		return fail(e, EINVAL, "%s is no interface's MAC address", text);
	for (uint32_t i = 0; i < b->c->nifaces; i++)
		if (!memcmp(mac, b->c->ifaces[i].mac, sizeof(zero)))
			return fail(e, EINVAL, "%s is there twice", text);
	return 0;
}

/* Puts the place in front of a sentence that lacks it. */
static int locate(struct err *e, const char *mac, const char *key)
{
	struct err plain = *e;

	return fail(e, plain.code, "machnet_config.\"%s\"%s%s: %s", mac, key ? "." : "",
		    key ? key : "", plain.text);
}

static bool is_key(const char *name)
{
	for (const struct net_key *k = net_keys; k->name; k++)
		if (!strcmp(k->name, name))
			return true;
	return false;
}

static int check_keys(const char *mac, json_t *object, struct err *e)
{
	const char *name;
	json_t *value;
	char q[QUOTE_MAX];

	json_object_foreach(object, name, value) {
		if (is_key(name))
			continue;
		fail(e, EINVAL, "there is no such key");
		return locate(e, mac, quote(q, name));
	}
	return 0;
}

static int set_keys(struct build *b, const char *mac, const json_t *object, struct err *e)
{
	for (const struct net_key *k = net_keys; k->name; k++) {
		const json_t *value = json_object_get(object, k->name);

		if (!value && k->required) {
			fail(e, EINVAL, "the key `%s` is missing", k->name);
			return locate(e, mac, NULL);
		}
		if (value && k->set(b, value, e) < 0)
			return locate(e, mac, k->name);
	}
	return 0;
}

static int count_threads(const struct build *b, const char *mac, struct err *e)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i <= b->c->nifaces; i++)
		n += b->c->ifaces[i].engine_threads;
	if (n <= NET_THREADS_MAX)
		return 0;
	fail(e, EINVAL, "%" PRIu32 " threads with those of the interfaces above; the most is %d", n,
	     NET_THREADS_MAX);
	return locate(e, mac, "engine_threads");
}

static int add_iface(struct build *b, const char *mac, json_t *object, struct err *e)
{
	int r;

	if (b->c->nifaces == NET_IFACES_MAX)
		return fail(e, EINVAL, "machnet_config: there are more than %d interfaces",
			    NET_IFACES_MAX);
	memset(b->has_prefix, 0, sizeof(b->has_prefix));
	build_iface(b)->engine_threads = 1;
	if (set_mac(b, mac, e) < 0) {
		struct err plain = *e;

		return fail(e, plain.code, "machnet_config: %s", plain.text);
	}
	if (!json_is_object(object)) {
		fail(e, EINVAL, "an object with the interface's keys is wanted here");
		return locate(e, mac, NULL);
	}
	r = check_keys(mac, object, e);
	if (!r)
		r = set_keys(b, mac, object, e);
	if (!r)
		r = count_threads(b, mac, e);
	if (!r)
		b->c->nifaces++;
	return r;
}

/* --- the file ------------------------------------------------------------- */

static void note_unknown(struct net_conf *c, const char *key)
{
	if (c->nunknown < NET_UNKNOWN_MAX)
		str_copy(c->unknown[c->nunknown], NET_UNKNOWN_TEXT, key);
	c->nunknown++;
}

static int build(struct build *b, json_t *root, struct err *e)
{
	json_t *ifaces = json_object_get(root, "machnet_config"), *value;
	const char *key;

	if (!json_is_object(root))
		return fail(e, EINVAL, "the file is no JSON object");
	if (!ifaces)
		return fail(e, EINVAL, "the key `machnet_config` is missing");
	if (!json_is_object(ifaces))
		return fail(e, EINVAL,
			    "machnet_config: an object with a key for each "
			    "interface is wanted here");
	json_object_foreach(root, key, value)
		if (value != ifaces)
			note_unknown(b->c, key);
	json_object_foreach(ifaces, key, value) {
		int r = add_iface(b, key, value, e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int syntax_error(const char *name, const json_error_t *j, struct err *e)
{
	char where[NAME_MAX_SHOWN], text[JSON_ERROR_TEXT_LENGTH];
	const char *near = strstr(j->text, " near ");
	size_t len = near ? (size_t)(near - j->text) : strlen(j->text);

	if (json_error_code(j) == json_error_out_of_memory)
		return fail(e, ENOMEM, "%s: not enough memory", shown(where, name));
	str_escape(text, sizeof(text), j->text, len);
	return fail(e, EINVAL, "%s:%d:%d: %.120s", shown(where, name), j->line, j->column, text);
}

static int named(const char *name, struct err *e)
{
	struct err plain = *e;
	char where[NAME_MAX_SHOWN];

	return fail(e, plain.code, "%s: %s", shown(where, name), plain.text);
}

static int parse_bytes(const char *name, const char *text, size_t len, struct net_conf *c,
		       struct err *e)
{
	struct build b = { .c = c };
	json_error_t j;

	if (len > NET_CONF_MAX) {
		fail(e, EFBIG, "the file is larger than %d bytes", NET_CONF_MAX);
		return named(name, e);
	}
	if (memchr(text, '\0', len)) {
		fail(e, EINVAL, "this is no text file: it contains a NUL byte");
		return named(name, e);
	}
	json_auto_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &j);
	if (!root)
		return syntax_error(name, &j, e);
	return build(&b, root, e) < 0 ? named(name, e) : 0;
}

int net_conf_parse(const char *name, const char *text, size_t len, struct net_conf *ret,
		   struct err *e)
{
	_cleanup_free_ struct net_conf *c = calloc(1, sizeof(*c));
	struct err unread;
	int r;

	if (!e)
		e = &unread;
	if (!c) {
		fail(e, ENOMEM, "not enough memory");
		return named(name, e);
	}
	r = parse_bytes(name, text, len, c, e);
	if (r < 0)
		return r;
	*ret = *c;
	return 0;
}

/* Non-blocking: nobody waits here for the other end of a FIFO. */
static int open_regular(const char *path, struct err *e)
{
	_cleanup_fd_ int fd = !strcmp(path, NET_CONF_STDIN)
				      ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
				      : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(e, errno, "can't open it: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(e, EINVAL, "it is no regular file");
	if (st.st_size > NET_CONF_MAX)
		return fail(e, EFBIG, "the file is larger than %d bytes", NET_CONF_MAX);
	return take_fd(&fd);
}

/* One byte more than is allowed, so that a file that grew meanwhile is still found out. */
static ssize_t read_whole(int fd, char *buf, size_t size, struct err *e)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read(fd, buf + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(e, errno, "can't read it: %s", strerror(errno));
		if (n == 0)
			break;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

int net_conf_load(const char *path, struct net_conf *ret, struct err *e)
{
	_cleanup_free_ char *text = malloc(NET_CONF_MAX + 1);
	_cleanup_fd_ int fd = -1;
	struct err unread;
	ssize_t len;

	if (!e)
		e = &unread;
	if (!text) {
		fail(e, ENOMEM, "not enough memory");
		return named(path, e);
	}
	fd = open_regular(path, e);
	if (fd < 0)
		return named(path, e);
	len = read_whole(fd, text, NET_CONF_MAX + 1, e);
	return len < 0 ? named(path, e) : net_conf_parse(path, text, (size_t)len, ret, e);
}
