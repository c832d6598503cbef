#include "json_elements.h"

static void reserve_blocks(struct json_elements *elements, size_t count)
{
	if (count <= elements->block_cap)
		return;
	size_t cap = count + count / 2 + 4;
	elements->blocks = realloc(elements->blocks, cap * sizeof(*elements->blocks));
	elements->lens = realloc(elements->lens, cap * sizeof(*elements->lens));
	MUST(elements->blocks && elements->lens);
	elements->block_cap = cap;
}

/* An empty block before the one at `place`; the caller fills it at once. */
static struct json_node *add_block(struct json_elements *elements, size_t place)
{
	size_t behind = elements->block_count - place;

	reserve_blocks(elements, elements->block_count + 1);
	memmove(&elements->blocks[place + 1], &elements->blocks[place],
		behind * sizeof(*elements->blocks));
	memmove(&elements->lens[place + 1], &elements->lens[place],
		behind * sizeof(*elements->lens));
	struct json_node *block = malloc(JSON_ELEMENTS_BLOCK * sizeof(*block));
	MUST(block);
	elements->blocks[place] = block;
	elements->lens[place] = 0;
	elements->block_count++;
	return block;
}

static void append(struct json_elements *elements, struct json_node node)
{
	size_t last = elements->block_count;

	if (!last || elements->lens[last - 1] == JSON_ELEMENTS_BLOCK)
		add_block(elements, last++);
	elements->blocks[last - 1][elements->lens[last - 1]++] = node;
	elements->count++;
}

void json_elements_init(struct json_elements *ret, const struct json *doc, uint32_t array)
{
	const struct json_token *tokens = doc->tokens;

	*ret = (struct json_elements){0};
	reserve_blocks(ret, tokens[array].count / JSON_ELEMENTS_BLOCK + 1);
	for (uint32_t i = array + 1; i < tokens[array].next; i = tokens[i].next)
		append(ret, json_node_of(doc, i));
}

void json_elements_copy(struct json_elements *ret, const struct json_elements *from)
{
	*ret = (struct json_elements){0};
	reserve_blocks(ret, from->block_count);
	for (size_t i = 0; i < from->block_count; i++)
		for (size_t j = 0; j < from->lens[i]; j++)
			append(ret, json_tree_copy(from->blocks[i][j]));
}

void json_elements_fini(struct json_elements *elements)
{
	for (size_t i = 0; i < elements->block_count; i++) {
		for (size_t j = 0; j < elements->lens[i]; j++)
			json_tree_free(elements->blocks[i][j]);
		free(elements->blocks[i]);
	}
	free(elements->blocks);
	free(elements->lens);
	*elements = (struct json_elements){0};
}

/* From the nearest of the front, the back and where the last look-up ended. An index equal to the
 * count is one behind the last element of the last block. */
static size_t find_block(struct json_elements *elements, size_t index, size_t *ret_offset)
{
	size_t block = elements->last_block, first = elements->last_first;

	if (index < first / 2) {
		block = first = 0;
	} else if (index > first + (elements->count - first) / 2) {
		block = elements->block_count - 1;
		first = elements->count - elements->lens[block];
	}
	while (index < first)
		first -= elements->lens[--block];
	while (index >= first + elements->lens[block] && block + 1 < elements->block_count)
		first += elements->lens[block++];
	elements->last_block = block;
	elements->last_first = first;
	*ret_offset = index - first;
	return block;
}

struct json_node *json_elements_at(struct json_elements *elements, size_t index)
{
	size_t offset;

	MUST(index < elements->count);
	size_t block = find_block(elements, index, &offset);
	return &elements->blocks[block][offset];
}

/* The second half of a full block becomes a block of its own. */
static void split(struct json_elements *elements, size_t block)
{
	const size_t half = JSON_ELEMENTS_BLOCK / 2;
	struct json_node *second = add_block(elements, block + 1);

	memcpy(second, elements->blocks[block] + half, half * sizeof(*second));
	elements->lens[block] = half;
	elements->lens[block + 1] = half;
}

void json_elements_insert(struct json_elements *elements, size_t index, struct json_node node)
{
	size_t offset;

	MUST(index <= elements->count);
	if (index == elements->count) {
		append(elements, node);
		return;
	}
	size_t block = find_block(elements, index, &offset);
	if (elements->lens[block] == JSON_ELEMENTS_BLOCK) {
		split(elements, block);
		block = find_block(elements, index, &offset);
	}
	struct json_node *at = &elements->blocks[block][offset];
	memmove(at + 1, at, (elements->lens[block] - offset) * sizeof(*at));
	*at = node;
	elements->lens[block]++;
	elements->count++;
}

static void remove_block(struct json_elements *elements, size_t block)
{
	size_t behind = --elements->block_count - block;

	free(elements->blocks[block]);
	memmove(&elements->blocks[block], &elements->blocks[block + 1],
		behind * sizeof(*elements->blocks));
	memmove(&elements->lens[block], &elements->lens[block + 1],
		behind * sizeof(*elements->lens));
	elements->last_block = elements->last_first = 0;
}

struct json_node json_elements_take(struct json_elements *elements, size_t index)
{
	size_t offset;

	MUST(index < elements->count);
	size_t block = find_block(elements, index, &offset);
	struct json_node *at = &elements->blocks[block][offset], node = *at;
	memmove(at, at + 1, (elements->lens[block] - offset - 1) * sizeof(*at));
	elements->count--;
	if (!--elements->lens[block])
		remove_block(elements, block);
	return node;
}
