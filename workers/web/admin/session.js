// session.js: who we are and how we talk to the server: the token, one Realtime, and REST where exact text matters.
import { Realtime } from '/realtime.js';
import { button, h, openDialog } from './dom.js';

const TOKEN_KEY = 'syncdoc.token';

// code and status as the server says them; status 0: no answer. body: the whole problem.
export class ApiError extends Error {
	constructor(status, body, text) {
		super(body?.detail ?? body?.title ?? text);
		Object.assign(this, { status, code: body?.code ?? (status ? 'http_error' : 'unreachable'), body });
	}
}

/* ---- the token ---- */

let token = read();
let given; // the one that getToken() gave last: asked again, it was refused or ends
let asking;
const tokenListeners = new Set();

function read() {
	try {
		return sessionStorage.getItem(TOKEN_KEY) ?? undefined;
	} catch {
		return undefined; // no storage: asked for on each page
	}
}

function keep(value) {
	token = value;
	try {
		if (value === undefined) sessionStorage.removeItem(TOKEN_KEY);
		else sessionStorage.setItem(TOKEN_KEY, value);
	} catch {
		// kept for this page only
	}
	for (const listener of tokenListeners) listener();
}

export const hasToken = () => token !== undefined;
export const onToken = listener => tokenListeners.add(listener);

export function signOut() {
	keep(undefined);
	location.reload();
}

function tokenDialog(reason, resolve, reject) {
	const field = h('input', { type: 'password', id: 'token', autocomplete: 'off', spellcheck: 'false', required: true });
	let entered;
	const form = h(
		'form',
		{
			method: 'dialog',
			class: 'field',
			id: 'token-form',
			onsubmit: event => {
				if (field.value.trim()) entered = field.value.trim();
				else event.preventDefault();
			},
		},
		h('label', { for: 'token' }, 'Token'),
		field,
		h('p', { class: 'muted small' }, 'It is kept in this tab until you close it, and sent to this server only.'),
	);
	openDialog({
		title: 'This server asks who you are',
		body: [reason && h('p', { class: 'fault', role: 'alert' }, reason), form],
		foot: [button('Continue', null, { kind: 'primary', type: 'submit', form: 'token-form' })],
		onclose: () => {
			if (entered === undefined) {
				reject(new ApiError(401, { code: 'unauthorized', detail: 'This server asks for a token.' }));
				return;
			}
			keep(entered);
			resolve(entered);
		},
	});
	field.focus();
}

// All who ask meanwhile get the same answer. Rejects when the dialog is closed without one.
export function askForToken(reason) {
	asking ??= new Promise((resolve, reject) => tokenDialog(reason, resolve, reject)).finally(() => {
		asking = undefined;
	});
	return asking;
}

// For the client: the one we have; when it comes again for the same, that one was refused or is about to end.
async function getToken() {
	if (token === undefined || token === given)
		await askForToken(given && 'The token was refused, or is about to end. A new one, please.');
	given = token;
	return token;
}

/* ---- REST ---- */

async function once(method, path, { body, headers, signal }) {
	const all = { Accept: 'application/json, application/problem+json', ...headers };
	const sent = token;
	if (body !== undefined) all['Content-Type'] ??= 'application/json';
	if (sent !== undefined) all.Authorization = `Bearer ${sent}`;
	let response, text;
	try {
		response = await fetch(path, { method, headers: all, body, signal, cache: 'no-store' });
		text = await response.text();
	} catch (error) {
		if (error.name === 'AbortError') throw error;
		throw new ApiError(0, undefined, 'The server cannot be reached.');
	}
	return { response, text, sent };
}

// Resolves to {text, status}: the text as it came. 401 asks for a token, and goes once more.
export async function requestText(method, path, options = {}) {
	for (;;) {
		const { response, text, sent } = await once(method, path, options);
		if (response.ok) return { text, status: response.status };
		let body;
		try {
			body = JSON.parse(text);
		} catch {
			// a proxy's own page
		}
		if (response.status !== 401) throw new ApiError(response.status, body, `The server answered ${response.status}.`);
		if (token === sent) await askForToken(sent === undefined ? undefined : `The token was refused${body?.detail ? `: ${body.detail}` : ''}.`);
	}
}

export async function request(method, path, options) {
	const { text } = await requestText(method, path, options);
	return text ? JSON.parse(text) : undefined;
}

export const SERVICE_NAME = /^[A-Za-z0-9_-]{1,64}$/;
export const DOCUMENT_ID = /^[A-Za-z0-9_.:@-]{1,128}$/;

// The server would refuse it, too, but not say where the fault is.
export function checkService(service) {
	if (!SERVICE_NAME.test(service)) throw new ApiError(400, { code: 'invalid_name', detail: `“${service}” is no name of a service.` });
}

export const documentPath = (service, id, rest = '') =>
	`/v1/services/${encodeURIComponent(service)}/documents${id === undefined ? '' : `/${encodeURIComponent(id)}`}${rest}`;

/* ---- the connection ---- */

// One per page. First a plain request, so that the token is asked for before the socket needs it.
export async function openRealtime() {
	try {
		await request('GET', '/v1/services');
	} catch (error) {
		if (error.status === 401) throw error; // the dialog was closed
		// Redis away, or nothing there yet: the page says so itself, and the client goes on trying
	}
	const realtime = new Realtime(location.origin, {
		getToken: token === undefined ? undefined : getToken,
		tokenTimeoutMs: Infinity, // a person is asked
		reconnectMaxMs: 5000,
	});
	realtime.on('error', error => console.debug('syncdoc:', error.code ?? '', error.message));
	return realtime;
}
