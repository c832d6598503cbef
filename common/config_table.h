/* config_table.h — the inside of the configuration, for config*.c only: one row per key, and what
 * the files do with rows.
 *
 *   config.c         the rows; create, destroy, compare
 *   config_scan.c    where each key of a file stands
 *   config_file.c    a file into values, by libconfuse
 *   config_load.c    file, -o, what "choose for me" means, checks
 *   config_value.c   texts into a field and back; config_number.c: counts, sizes, times
 *   config_check.c   what a text must look like, and what values mean together
 *   config_auth.c    the same for auth.*
 *   config_redis.c   what redis.url must look like
 *   config_listen.c  addresses to listen on
 *   config_print.c   the effective file */
#ifndef SYNCDOC_CONFIG_TABLE_H
#define SYNCDOC_CONFIG_TABLE_H

#include "buffer.h"
#include "config.h"

enum config_type {
	CONFIG_TYPE_COUNT, /* unsigned: a whole number */
	CONFIG_TYPE_SIZE, /* size_t, bytes: a whole number, or one with KiB, MiB or GiB behind it */
	CONFIG_TYPE_TIME, /* int64_t, milliseconds: seconds with at most three decimals */
	CONFIG_TYPE_FLAG, /* bool: yes, no, true, false, on, off */
	CONFIG_TYPE_CHOICE, /* an enum: one of `choices`, which stand in the enum's order */
	CONFIG_TYPE_STRING, /* char * */
	CONFIG_TYPE_LIST,   /* struct config_list */
};

/* 0, or -EINVAL with the reason appended: what is wrong with the value, without the key's name. */
typedef int (*config_check_fn)(const char *text, struct buffer *ret_reason);

struct config_key {
	const char *name; /* dotted: "ring.size" */
	enum config_type type;
	size_t offset;     /* of the field in struct config */
	const char *value; /* the default, written as behind -o */
	uint64_t min, max; /* COUNT, SIZE, TIME: both allowed, in the field's unit */
	const char *zero;  /* COUNT, SIZE, TIME: 0 is allowed too and means this; NULL: only min to
			      max */
	const char *const *choices; /* CHOICE: ends with NULL; "" stands for: not set */
	config_check_fn check;      /* STRING, and each item of a LIST; NULL: anything goes */
	size_t items_max;           /* LIST */
	bool restart;               /* a reload does not apply it */
	bool secret;                /* may hold a password: never echoed */
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

const struct config_key *config_key_find(struct span name); /* NULL: there is none */
bool config_section_exists(struct span name); /* some key's name begins with `name` and a dot */
/* Length of "ring" in "ring.size"; 0 for a key outside sections. */
size_t config_key_section_len(const struct config_key *key);

/* A configuration with all defaults of the table; destroy with config_destroy(). */
struct config *config_create(void);

static inline void *config_field(const struct config *config, const struct config_key *key)
{
	return (char *)config + key->offset;
}

/* Sets the field from `count` texts (1 unless it is a list). -EINVAL: reason appended, field
 * unchanged. */
int config_value_set(struct config *config, const struct config_key *key, const char *const *texts,
		     size_t count, struct buffer *ret_reason);
/* The value as a file has it, quotes and braces included. */
void config_value_print(const struct config *config, const struct config_key *key,
			struct buffer *ret);
bool config_value_equals(const struct config *a, const struct config *b,
			 const struct config_key *key);
void config_value_copy(struct config *to, const struct config *from, const struct config_key *key);
void config_value_free(struct config *config, const struct config_key *key);
/* COUNT, SIZE and TIME, for config_value.c. */
int config_number_set(struct config *config, const struct config_key *key, const char *text,
		      struct buffer *ret_reason);
void config_number_print(const struct config_key *key, uint64_t number, struct buffer *ret);
/* A string as a file has it. */
void config_string_print(const char *text, struct buffer *ret);
/* A refused text in an error message: quoted, short, printable. */
void config_reason_quote(const char *text, struct buffer *ret_reason);

int config_check_listen(const char *text, struct buffer *ret_reason);
int config_check_user(const char *text, struct buffer *ret_reason);
int config_check_state_dir(const char *text, struct buffer *ret_reason);
int config_check_path_or_none(const char *text, struct buffer *ret_reason);
int config_check_log_target(const char *text, struct buffer *ret_reason);
int config_check_node(const char *text, struct buffer *ret_reason);
int config_check_host(const char *text, struct buffer *ret_reason);
int config_check_proxy(const char *text, struct buffer *ret_reason);
int config_check_origin(const char *text, struct buffer *ret_reason);
int config_check_redis_url(const char *text, struct buffer *ret_reason);
int config_check_sentinel_user(const char *text, struct buffer *ret_reason);
int config_check_auth_key(const char *text, struct buffer *ret_reason);
int config_check_auth_algorithm(const char *text, struct buffer *ret_reason);

/* auth.mode and what it needs. */
int config_check_auth(const struct config *config, struct buffer *ret_reason);
/* What values mean together. *ret_key is the key to blame; *ret_other is the one to blame instead
 * where the first has its default (may be NULL). */
int config_check_together(const struct config *config, const char **ret_key, const char **ret_other,
			  struct buffer *ret_reason);

enum config_scan_kind { CONFIG_SCAN_KEY, CONFIG_SCAN_SECTION };
/* `section` is empty outside sections. Not 0: stop. */
typedef int (*config_scan_fn)(enum config_scan_kind kind, struct span section, struct span name,
			      unsigned line, void *arg);
/* Calls `fn` for each key and each section in the order of the file, and overwrites comments with
 * spaces (lines stay). -EINVAL: not well formed; line and static reason set. Else what fn returned.
 * See config_scan.c for why libconfuse needs this. */
int config_scan(char *text, size_t len, config_scan_fn fn, void *arg, unsigned *ret_line,
		const char **ret_reason);

/* Where a key got its value; all zero: it has its default. */
struct config_origin {
	unsigned line;         /* of the file */
	const char *override;  /* borrowed: the -o text */
	unsigned section_line; /* in the row of a section's first key: where that section stands */
};

struct config_loader {
	struct config *config;         /* owned until it is handed out */
	const char *path;              /* borrowed */
	struct config_origin *origins; /* owned; one per row of config_keys */
	struct buffer error;           /* owned; the one line */
};

static inline struct config_origin *config_origin_of(const struct config_loader *loader,
						     const struct config_key *key)
{
	return &loader->origins[key - config_keys];
}

/* Sets a key; a refusal is written into loader->error with the place the value came from. */
int config_loader_set(struct config_loader *loader, const struct config_key *key,
		      const char *const *texts, size_t count);
/* Reads loader->path. -EINVAL, -ENOENT: loader->error says why. */
int config_file_load(struct config_loader *loader);

#endif
