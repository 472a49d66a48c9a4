'use strict';
// The dashboard keeps itself up to date: it asks for its own address as a fragment and puts in what has changed.
{
    const EVERY = 10_000;
    const FUNNEL_EVERY = 60_000;
    const live = document.querySelector('[data-refreshes]');
    const funnel = document.querySelector('[data-loads]');
    const PAUSED = 'plum.paused';

    const fetchPart = async (url) => {
        const answer = await fetch(url, { headers: { Accept: 'text/html' }, credentials: 'same-origin' });
        if (!answer.ok || answer.redirected) throw new Error(`${answer.status}`);
        return answer.text();
    };
    const drawn = (place) => place.dispatchEvent(new CustomEvent('plum:drawn', { bubbles: true }));

    // Where somebody is in a part: what has the focus, what is open, how far it is scrolled.
    const same = (one) => (one.id ? `#${one.id}` : `${one.tagName}|${one.getAttribute('href') || ''}|${one.textContent.trim()}`);
    const remember = (block) => {
        const active = block.contains(document.activeElement) ? document.activeElement : null;
        const alike = active ? [...block.querySelectorAll(active.tagName)] : [];
        return {
            focus: active && { tag: active.tagName, mark: same(active), index: alike.indexOf(active) },
            open: [...block.querySelectorAll('details')].map((one) => one.open),
            scrolled: [...block.querySelectorAll('.plum-scroll')].map((one) => [one.scrollLeft, one.scrollTop]),
        };
    };
    const putBack = (block, state) => {
        [...block.querySelectorAll('details')].forEach((one, index) => { if (index in state.open) one.open = state.open[index]; });
        [...block.querySelectorAll('.plum-scroll')].forEach((one, index) => {
            if (index in state.scrolled) [one.scrollLeft, one.scrollTop] = state.scrolled[index];
        });
        if (state.focus) {
            const alike = [...block.querySelectorAll(state.focus.tag)];
            const found = alike.find((one) => same(one) === state.focus.mark) || alike[state.focus.index];
            if (found) found.focus({ preventScroll: true });
        }
    };
    const isSelecting = (block) => {
        const selection = document.getSelection();
        return selection && !selection.isCollapsed && block.contains(selection.anchorNode);
    };

    const put = (html) => {
        const fresh = new DOMParser().parseFromString(html, 'text/html');
        const parts = fresh.querySelectorAll('[data-block]');
        if (!parts.length) throw new Error('no parts');
        const changed = [];
        parts.forEach((part) => {
            const block = live.querySelector(`[data-block="${part.dataset.block}"]`);
            if (!block || block.dataset.version === part.dataset.version || isSelecting(block)) return;
            const state = remember(block);
            const before = block.getBoundingClientRect();
            block.innerHTML = part.innerHTML;
            block.dataset.version = part.dataset.version;
            putBack(block, state);
            drawn(block);
            // What is above the eye must not push what is being read.
            if (before.bottom < 0) window.scrollBy(0, block.getBoundingClientRect().height - before.height);
            changed.push(part.dataset.block);
        });
        return changed.filter((name) => name !== 'freshness');
    };

    let funnelAt = 0;
    const loadFunnel = async () => {
        const place = funnel.querySelector('[data-loaded]');
        funnelAt = Date.now();
        try {
            const html = await fetchPart(funnel.dataset.loads);
            const state = remember(place);
            const was = place.querySelector('[data-waits]') !== null;
            place.innerHTML = html;
            if (!was) putBack(place, state);
            drawn(place);
        } catch {
            const waits = place.querySelector('[data-waits]');
            if (waits) {
                waits.dataset.failed = '';
                waits.firstChild.textContent = 'It could not be counted just now. ';
            }
        }
    };
    if (funnel) {
        if (funnel.querySelector('[data-waits]')) loadFunnel(); else funnelAt = Date.now();
    }

    if (live) {
        const bar = document.createElement('div');
        bar.className = 'plum-live-bar';
        const button = document.createElement('button');
        button.type = 'button';
        button.className = 'plum-button';
        const said = document.createElement('span');
        said.setAttribute('role', 'status');
        bar.append(button, said);
        live.before(bar);

        let paused = sessionStorage.getItem(PAUSED) === '1';
        let failures = 0;
        const show = () => {
            button.textContent = paused ? 'Go on refreshing' : 'Pause refreshing';
            button.setAttribute('aria-pressed', String(paused));
        };
        const time = () => new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
        const refresh = async () => {
            if (paused || document.visibilityState !== 'visible') return;
            try {
                const changed = put(await fetchPart(live.dataset.refreshes));
                if (changed.length) said.textContent = `Figures updated at ${time()}.`;
                else if (failures) said.textContent = 'Up to date again.';
                failures = 0;
                if (changed.length && funnel && Date.now() - funnelAt > FUNNEL_EVERY) loadFunnel();
            } catch {
                failures += 1;
                said.textContent = failures < 3
                    ? 'Not refreshed just now; trying again.'
                    : 'No longer refreshed: you may have been signed out. Load the page again.';
            }
        };
        button.addEventListener('click', () => {
            paused = !paused;
            sessionStorage.setItem(PAUSED, paused ? '1' : '0');
            show();
            said.textContent = paused ? 'Paused: these figures stay as they are.' : 'Refreshing every 10 seconds.';
            refresh();
        });
        show();
        if (paused) said.textContent = 'Paused: these figures stay as they are.';
        let next = window.setTimeout(function again() {
            refresh().finally(() => { next = window.setTimeout(again, EVERY); });
        }, EVERY);
        document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'visible') refresh(); });
        window.addEventListener('pagehide', () => window.clearTimeout(next));
    }

    // The filter form: a day that is typed means own dates; long lists can be searched; one list is open at a time.
    const period = document.getElementById('f-period');
    document.querySelectorAll('[data-own-days]').forEach((field) => {
        field.addEventListener('input', () => { period.value = 'own'; });
    });
    document.querySelectorAll('[data-narrows]').forEach((field) => field.addEventListener('input', () => {
        const wanted = field.value.trim().toLowerCase();
        field.parentElement.querySelectorAll('.plum-options label').forEach((label) => {
            label.hidden = !label.textContent.toLowerCase().includes(wanted);
        });
    }));
    document.addEventListener('keydown', (event) => {
        const open = event.key === 'Escape' && event.target.closest && event.target.closest('.plum-pick[open]');
        if (open) {
            open.open = false;
            open.querySelector('summary').focus();
        }
    });
}
