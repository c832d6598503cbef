// copy.js: the curl command and the WebSocket message that do the same as a button.
import { button, h, toast } from './dom.js';
import { hasToken } from './session.js';

// navigator.clipboard is only there over https and on localhost.
async function copyText(text) {
	if (navigator.clipboard) {
		await navigator.clipboard.writeText(text);
		return;
	}
	const field = h('textarea', { class: 'visually-hidden', 'aria-hidden': 'true' });
	const place = document.querySelector('dialog[open]') ?? document.body;
	field.value = text;
	place.append(field);
	field.select();
	const done = document.execCommand('copy');
	field.remove();
	if (!done) throw new Error('the browser does not allow it');
}

export async function copyAloud(text, what) {
	try {
		await copyText(text);
		toast(`${what} copied`, { kind: 'good' });
	} catch (error) {
		toast(`${what} could not be copied: ${error.message}`, { kind: 'bad' });
	}
}

const quote = text => `'${text.replaceAll("'", "'\\''")}'`;

// The token itself is never copied: commands end up in histories and chats.
export function curlCommand(method, path, body) {
	const parts = ['curl -sS'];
	if (method !== 'GET') parts.push(`-X ${method}`);
	if (hasToken()) parts.push('-H "Authorization: Bearer $SYNCDOC_TOKEN"');
	if (body !== undefined) parts.push("-H 'Content-Type: application/json'", `-d ${quote(body)}`);
	parts.push(quote(location.origin + path));
	return parts.join(' ');
}

// operation(): {method, path, body?: text, message: object or text}, made at the moment of the click; null: not possible now.
export function copyButtons(operation, name) {
	const of = (what, textOf) => () => {
		const made = operation();
		if (made) copyAloud(textOf(made), what);
		else toast(`Nothing to copy yet: what you wrote is not valid JSON`, { kind: 'bad' });
	};
	return h(
		'span',
		{ class: 'copy-pair', role: 'group', 'aria-label': `Copy ${name} as` },
		button(
			'curl',
			of('curl command', ({ method, path, body }) => curlCommand(method, path, body)),
			{
				icon: 'copy',
				kind: 'compact plain',
				title: `Copy the curl command for: ${name}`,
			},
		),
		button(
			'WS',
			of('WebSocket message', ({ message }) => (typeof message === 'string' ? message : JSON.stringify(message))),
			{
				icon: 'copy',
				kind: 'compact plain',
				title: `Copy the WebSocket message for: ${name}`,
			},
		),
	);
}
