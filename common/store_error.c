/* store_error.c — what a reply means for the caller: done, surely not done, or unknown. */
#include "log.h"
#include "store_internal.h"

/* Redis answers these instead of doing anything; waiting may help. */
static const char *const refusals[] = {
	"LOADING",     "READONLY", "MASTERDOWN", "BUSY",   "OOM",       "MISCONF",
	"CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "NOAUTH", "WRONGPASS", "NOPERM",
};

static bool is_refusal_at(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		size_t len = strlen(refusals[i]);
		if (strncmp(text, refusals[i], len) == 0 && (text[len] == ' ' || !text[len]))
			return true;
	}
	return false;
}

/* Redis 6.2 wraps the error of a command inside a script: `ERR Error running script (call to f_…):
 * @user_script:12:
 * @user_script: 12: -OOM command not allowed…`. */
static bool is_refusal(const char *text)
{
	if (is_refusal_at(text))
		return true;
	if (strncmp(text, "ERR ", 4) != 0)
		return false;
	for (const char *at = strstr(text, ": -"); at; at = strstr(at + 1, ": -"))
		if (is_refusal_at(at + 3))
			return true;
	return false;
}

static int transport_error(int error, bool is_write)
{
	switch (error) {
	case -ECANCELED:
		return error;
	case -ETIMEDOUT:
	case -ECONNRESET:
		return is_write ? -ETIMEDOUT : -EAGAIN;
	default: /* never sent */
		return -EAGAIN;
	}
}

int store_error(const struct store_request *request, const struct redisReply *reply, int error,
		bool is_write, const char *what)
{
	static struct log_limit refused, failed;
	if (!error && reply->type != REDIS_REPLY_ERROR)
		return 0;
	if (error != -ECANCELED)
		request->store->failures++;
	if (error)
		return transport_error(error, is_write);
	if (is_refusal(reply->str)) {
		if (log_allow(&refused))
			log_warning(
				"store: redis refuses %s: %.200s; clients are told to try again",
				what, reply->str);
		return -EAGAIN;
	}
	if (log_allow(&failed))
		log_error("store: redis failed %s: %.200s; the client gets an error", what,
			  reply->str);
	return -EIO;
}
