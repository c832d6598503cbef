// browser.js: Chromium as tests of the Admin UI use it: nothing but loopback, and every complaint is collected.
import fs from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { DEADLINE_MS } from './wait.js';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

// undefined: there is none; tests then skip, saying so.
export function findChromium() {
	if (process.env.SYNCDOC_CHROMIUM) return process.env.SYNCDOC_CHROMIUM;
	for (const directory of (process.env.PATH ?? '').split(':'))
		for (const name of NAMES) {
			const file = path.join(directory, name);
			if (fs.existsSync(file)) return file;
		}
	return undefined;
}

export const skipWithoutChromium = findChromium() ? false : 'no chromium here: install Debian’s package, or set SYNCDOC_CHROMIUM';

export class Browser {
	static async start() {
		const browser = new Browser();
		browser.browser = await chromium.launch({
			executablePath: findChromium(),
			timeout: 3 * DEADLINE_MS,
			args: [
				...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
				'--disable-dev-shm-usage',
				'--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
			],
		});
		return browser;
	}

	// Chromium's word for a page that is left before its WebSocket has opened.
	static #LEFT = /WebSocket is closed before the connection is established/;

	// A person of its own: storage is not shared. options: theme ('light', 'dark'), width, height, allow (what may be complained of).
	async open(url, { theme = 'light', width = 1280, height = 800, allow = [], before } = {}) {
		const context = await this.browser.newContext({
			colorScheme: theme,
			viewport: { width, height },
			permissions: ['clipboard-read', 'clipboard-write'],
		});
		const page = await context.newPage();
		page.setDefaultTimeout(DEADLINE_MS);
		page.complaints = [];
		const complain = text => [Browser.#LEFT, ...allow].some(pattern => pattern.test(text)) || page.complaints.push(text);
		page.on(
			'console',
			message =>
				['error', 'warning'].includes(message.type()) && complain(`console: ${message.text()} (${message.location().url})`),
		);
		page.on('pageerror', error => complain(`error: ${error.stack ?? error}`));
		page.on(
			'request',
			request =>
				request.url().startsWith(new URL(url).origin) ||
				request.url().startsWith('data:') ||
				complain(`request to elsewhere: ${request.url()}`),
		);
		await page.addInitScript(() => {
			// What flashes does so for seconds; that it has is seen for ever.
			new MutationObserver(changes => {
				for (const { target } of changes) if (target.classList?.contains('flash')) target.dataset.hasFlashed = '';
			}).observe(document, { subtree: true, attributeFilter: ['class'] });
			document.addEventListener('securitypolicyviolation', event =>
				console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`),
			);
		});
		if (before) await page.addInitScript(before);
		await page.goto(url);
		return page;
	}

	async stop() {
		await this.browser.close();
	}
}

// `before` of a page, and run in it: once a test sets `vanishing.isGone` the server says that there is no such document; of its history
// when one of `answers` is called.
export function vanishOnDemand() {
	const vanishing = (window.vanishing = { isGone: false, answers: [], sockets: [] });
	window.WebSocket = class extends WebSocket {
		constructor(...values) {
			super(...values);
			vanishing.sockets.push(this);
		}

		send(text) {
			const { type, topic, documentId, id } = JSON.parse(text),
				answer = message => this.dispatchEvent(new MessageEvent('message', { data: JSON.stringify({ id, ...message }) }));
			if (!vanishing.isGone || !['subscribe', 'sync.history'].includes(type)) super.send(text);
			else if (type === 'subscribe') setTimeout(answer, 0, { type: 'subscribed', topic, documentId, outcome: 'snapshot', position: '00000000-1', document: null });
			else vanishing.answers.push(() => answer({ type: 'error', status: 404, code: 'document_not_found', message: 'gone' }));
		}
	};
}
