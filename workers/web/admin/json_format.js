// json_format.js: indents JSON, and packs it, without reading its values: numbers keep their exact text, which JSON.parse would round.

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

// `text` must be valid JSON.
export function formatJson(text, indent = '  ') {
	const parts = [],
		levels = [''];
	let previous = '';
	for (const [token] of text.matchAll(TOKEN)) {
		const level = levels.length - 1;
		switch (token) {
			case '{':
			case '[':
				if (previous === '{' || previous === '[') parts.push('\n', levels[level]);
				parts.push(token);
				levels.push(levels[level] + indent);
				break;
			case '}':
			case ']':
				levels.pop();
				if (previous !== '{' && previous !== '[') parts.push('\n', levels[level - 1]);
				parts.push(token);
				break;
			case ',':
				parts.push(',\n', levels[level]);
				break;
			case ':':
				parts.push(': ');
				break;
			default:
				if (previous === '{' || previous === '[') parts.push('\n', levels[level]);
				parts.push(token);
		}
		previous = token;
	}
	return parts.join('');
}

// Without blanks: the server keeps the text of a replace as it comes. `text` must be valid JSON.
export const compactJson = text => Array.from(text.matchAll(TOKEN), ([token]) => token).join('');

// The text of `data` in an envelope as the server sends it: the last member, and no name or number before it holds a quote.
export function dataTextOf(envelopeText) {
	const at = envelopeText.indexOf('"data":');
	return at < 0 ? '{}' : envelopeText.slice(at + '"data":'.length, envelopeText.lastIndexOf('}'));
}
