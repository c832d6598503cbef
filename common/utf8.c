/* utf8.c — incremental check of UTF-8; runs of ASCII go by eight bytes at a time. */
#include "utf8.h"

static bool utf8_begin(struct utf8 *utf8, unsigned char byte)
{
	if (byte < 0x80)
		return true;
	if (byte < 0xc2 || byte > 0xf4)
		return false;
	utf8->left = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
	utf8->low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
	utf8->high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
	return true;
}

static bool utf8_go_on(struct utf8 *utf8, unsigned char byte)
{
	if (byte < utf8->low || byte > utf8->high)
		return false;
	utf8->left--;
	utf8->low = 0x80;
	utf8->high = 0xbf;
	return true;
}

bool utf8_feed(struct utf8 *utf8, struct span bytes)
{
	const uint64_t high_bits = UINT64_C(0x8080808080808080);
	uint64_t word;
	for (size_t i = 0; i < bytes.len;) {
		if (!utf8->left && bytes.len - i >= sizeof(word)) {
			memcpy(&word, bytes.at + i, sizeof(word));
			if (!(word & high_bits)) {
				i += sizeof(word);
				continue;
			}
		}
		unsigned char byte = (unsigned char)bytes.at[i++];
		if (utf8->left ? !utf8_go_on(utf8, byte) : !utf8_begin(utf8, byte))
			return false;
	}
	return true;
}

bool utf8_is_valid(struct span text)
{
	struct utf8 utf8 = {0};
	return utf8_feed(&utf8, text) && utf8.left == 0;
}

size_t utf8_char_len(struct span text)
{
	unsigned char lead = (unsigned char)text.at[0];
	size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	return len <= text.len && utf8_is_valid(span_of(text.at, len)) ? len : 0;
}
