#include "json_elements.h"

/* The first time exactly: most arrays stay as they are. */
static void reserve_blocks(struct json_elements *elements, size_t count)
{
	if (count <= elements->block_cap)
		return;
	elements->block_cap = elements->block_cap ? count + count / 2 : count;
	elements->blocks =
		realloc(elements->blocks, elements->block_cap * sizeof(*elements->blocks));
	MUST(elements->blocks);
}

static void reserve_nodes(struct json_elements_block *block, size_t count)
{
	size_t cap = block->cap ? count + count / 2 : count;

	if (count <= block->cap)
		return;
	MUST(count <= JSON_ELEMENTS_BLOCK);
	block->cap = (uint16_t)(cap < JSON_ELEMENTS_BLOCK ? cap : JSON_ELEMENTS_BLOCK);
	block->nodes = realloc(block->nodes, block->cap * sizeof(*block->nodes));
	MUST(block->nodes);
}

/* An empty block before the one at `place`; the caller fills it at once. */
static struct json_elements_block *add_block(struct json_elements *elements, size_t place,
					     size_t cap)
{
	reserve_blocks(elements, elements->block_count + 1);
	struct json_elements_block *block = &elements->blocks[place];

	memmove(block + 1, block, (elements->block_count - place) * sizeof(*block));
	elements->block_count++;
	*block = (struct json_elements_block){0};
	reserve_nodes(block, cap < JSON_ELEMENTS_BLOCK ? cap : JSON_ELEMENTS_BLOCK);
	return block;
}

/* `left`: how many will be appended, with this one. */
static void append(struct json_elements *elements, struct json_node node, size_t left)
{
	size_t count = elements->block_count;
	struct json_elements_block *last = count ? &elements->blocks[count - 1] : NULL;

	if (!last || last->len == JSON_ELEMENTS_BLOCK)
		last = add_block(elements, count, left);
	reserve_nodes(last, last->len + 1u);
	last->nodes[last->len++] = node;
	elements->count++;
}

static size_t blocks_for(size_t count)
{
	return (count + JSON_ELEMENTS_BLOCK - 1) / JSON_ELEMENTS_BLOCK;
}

void json_elements_init(struct json_elements *ret, const struct json *doc, uint32_t array)
{
	const struct json_token *tokens = doc->tokens;

	*ret = (struct json_elements){0};
	reserve_blocks(ret, blocks_for(tokens[array].count));
	for (uint32_t i = array + 1; i < tokens[array].next; i = tokens[i].next)
		append(ret, json_node_of(doc, i), tokens[array].count - ret->count);
}

void json_elements_copy(struct json_elements *ret, const struct json_elements *from)
{
	*ret = (struct json_elements){0};
	reserve_blocks(ret, blocks_for(from->count));
	for (size_t i = 0; i < from->block_count; i++)
		for (size_t j = 0; j < from->blocks[i].len; j++)
			append(ret, json_tree_copy(from->blocks[i].nodes[j]),
			       from->count - ret->count);
}

void json_elements_fini(struct json_elements *elements)
{
	for (size_t i = 0; i < elements->block_count; i++) {
		for (size_t j = 0; j < elements->blocks[i].len; j++)
			json_tree_free(elements->blocks[i].nodes[j]);
		free(elements->blocks[i].nodes);
	}
	free(elements->blocks);
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
		first = elements->count - elements->blocks[block].len;
	}
	while (index < first)
		first -= elements->blocks[--block].len;
	while (index >= first + elements->blocks[block].len && block + 1 < elements->block_count)
		first += elements->blocks[block++].len;
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
	return &elements->blocks[block].nodes[offset];
}

/* The second half of a full block becomes a block of its own. */
static void split(struct json_elements *elements, size_t place)
{
	const size_t half = JSON_ELEMENTS_BLOCK / 2;
	struct json_elements_block *second = add_block(elements, place + 1, JSON_ELEMENTS_BLOCK);
	struct json_elements_block *first = second - 1;

	memcpy(second->nodes, first->nodes + half, half * sizeof(*second->nodes));
	first->len = second->len = half;
}

void json_elements_insert(struct json_elements *elements, size_t index, struct json_node node)
{
	size_t offset;

	MUST(index <= elements->count);
	if (index == elements->count) {
		append(elements, node, 1);
		return;
	}
	size_t place = find_block(elements, index, &offset);
	if (elements->blocks[place].len == JSON_ELEMENTS_BLOCK) {
		split(elements, place);
		place = find_block(elements, index, &offset);
	}
	struct json_elements_block *block = &elements->blocks[place];
	reserve_nodes(block, block->len + 1u);
	struct json_node *at = &block->nodes[offset];
	memmove(at + 1, at, (block->len - offset) * sizeof(*at));
	*at = node;
	block->len++;
	elements->count++;
}

static void remove_block(struct json_elements *elements, size_t place)
{
	struct json_elements_block *block = &elements->blocks[place];
	size_t behind = --elements->block_count - place;

	free(block->nodes);
	memmove(block, block + 1, behind * sizeof(*block));
	elements->last_block = elements->last_first = 0;
}

struct json_node json_elements_take(struct json_elements *elements, size_t index)
{
	size_t offset;

	MUST(index < elements->count);
	size_t place = find_block(elements, index, &offset);
	struct json_elements_block *block = &elements->blocks[place];
	struct json_node *at = &block->nodes[offset], node = *at;
	memmove(at, at + 1, (block->len - offset - 1u) * sizeof(*at));
	elements->count--;
	if (!--block->len)
		remove_block(elements, place);
	return node;
}
