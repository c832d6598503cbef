// shell.js: what surrounds every page: theme, sign-out, the state of the connection, and its banner.
import { button, byId, h, icon } from './dom.js';
import { startTicker } from './format.js';
import { hasToken, onToken, signOut } from './session.js';

const THEME_KEY = 'syncdoc.theme'; // theme.js reads it
const THEMES = ['auto', 'light', 'dark'];
const THEME_ICONS = { auto: 'auto', light: 'sun', dark: 'moon' };
const THEME_NAMES = { auto: 'as the system', light: 'light', dark: 'dark' };
const BANNER_AFTER_MS = 400; // a change of connection that takes a moment is no news
const BANNER_GOOD_MS = 4000;

/* ---- theme ---- */

const currentTheme = () => document.documentElement.dataset.theme ?? 'auto';

function setTheme(theme) {
	if (theme === 'auto') delete document.documentElement.dataset.theme;
	else document.documentElement.dataset.theme = theme;
	try {
		if (theme === 'auto') localStorage.removeItem(THEME_KEY);
		else localStorage.setItem(THEME_KEY, theme);
	} catch {
		// for this page only
	}
}

function themeButton() {
	const element = button(
		'',
		() => {
			setTheme(THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length]);
			show();
		},
		{ icon: 'auto', kind: 'plain', title: 'Theme', id: 'theme' },
	);
	function show() {
		const theme = currentTheme(),
			name = `Theme: ${THEME_NAMES[theme]}`;
		element.replaceChildren(icon(THEME_ICONS[theme]));
		element.title = name;
		element.setAttribute('aria-label', name);
	}
	show();
	return element;
}

/* ---- the connection ---- */

const WORDS = { connecting: 'Connecting', open: 'Live', reconnecting: 'Offline', closed: 'Closed' };

function showState(element, state) {
	element.dataset.state = state;
	element.textContent = WORDS[state];
	element.title = `Connection: ${WORDS[state].toLowerCase()}`;
}

// kind: 'warn', 'bad' or 'good'; no text: hides it
export function showBanner(text, kind = 'warn', ...actions) {
	const banner = byId('banner');
	banner.hidden = !text;
	banner.dataset.kind = kind;
	banner.replaceChildren(...(text ? [icon(kind === 'good' ? 'check' : 'alert'), h('span', {}, text), ...actions] : []));
}

function watchBanner(realtime) {
	let lost = false,
		timer;
	const later = (work, ms) => {
		clearTimeout(timer);
		timer = setTimeout(work, ms);
	};
	realtime.on('reconnecting', () => {
		if (lost) return;
		later(() => {
			lost = true;
			showBanner(
				'The connection to the server is lost. What you see may be old; trying to connect again.',
				'warn',
				button('Reload', () => location.reload(), { kind: 'compact' }),
			);
		}, BANNER_AFTER_MS);
	});
	realtime.on('open', () => {
		clearTimeout(timer);
		if (!lost) return;
		lost = false;
		showBanner('Connected again. What was missed has been caught up with.', 'good');
		later(() => showBanner(''), BANNER_GOOD_MS);
	});
	realtime.on('closed', ({ error }) => {
		clearTimeout(timer);
		lost = true;
		showBanner(
			error ? `The server closed the connection: ${error.message}` : 'The connection is closed.',
			'bad',
			button('Reload', () => location.reload(), { kind: 'compact' }),
		);
	});
}

export function watchConnection(realtime) {
	const element = h('span', { class: 'connection', id: 'connection', role: 'status' });
	showState(element, realtime.state);
	realtime.on('state', ({ state }) => showState(element, state));
	byId('top-tools').prepend(element);
	watchBanner(realtime);
	// Leaving is known to the server at once; a page kept for the back button must not hold what it cannot follow.
	addEventListener('pagehide', () => realtime.close());
	addEventListener('pageshow', event => event.persisted && location.reload());
}

export function startShell() {
	const tools = byId('top-tools');
	const out = button('Sign out', signOut, { icon: 'key', kind: 'plain compact' });
	const showOut = () => {
		out.hidden = !hasToken();
	};
	showOut();
	onToken(showOut);
	tools.append(out, themeButton());
	startTicker();
}

// What replaces a part of the page that could not be loaded. elsewhere: a link, where the address itself is wrong and to load it again
// would not mend it.
export function errorState(error, retry, elsewhere) {
	const needsToken = error.status === 401;
	return h(
		'div',
		{ class: 'empty', role: 'alert' },
		icon('alert'),
		h('strong', {}, needsToken ? 'A token is needed' : error.status === 403 ? 'Not allowed' : 'This could not be loaded'),
		h('p', {}, error.message, error.code && h('span', { class: 'muted small' }, ` (${error.code})`)),
		error.status === 400 && elsewhere ? elsewhere : retry && button('Try again', retry, { icon: 'reload' }),
	);
}
