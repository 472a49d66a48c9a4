'use strict';
// The console's own script: questions before an act, self-submitting fields, selecting rows, progress, copying.
{
    const each = (selector, act) => document.querySelectorAll(selector).forEach(act);

    // An act that cannot be taken back asks first.
    document.addEventListener('submit', (event) => {
        const question = event.target.dataset.asks;
        if (question && !window.confirm(question)) {
            event.preventDefault();
        }
    });

    each('select[data-goes]', (field) => field.addEventListener('change', () => { window.location.search = field.value; }));
    each('[data-submits]', (field) => field.addEventListener('change', () => field.form.requestSubmit()));
    each('form[data-submits-itself]', (form) => form.requestSubmit());

    // "Select all" above a column of boxes, and how many are chosen.
    each('form[data-selects]', (form) => {
        // Also boxes that stand elsewhere on the page and name this form.
        const boxes = [...form.elements].filter((field) => field.type === 'checkbox' && field.name);
        const all = form.querySelector('input[data-all]');
        const shown = form.querySelector('[data-chosen]');
        const tell = () => {
            const chosen = boxes.filter((box) => box.checked).length;
            if (shown) shown.textContent = `${chosen} chosen`;
            if (all) all.checked = chosen > 0 && chosen === boxes.length;
        };
        if (all) {
            all.addEventListener('change', () => {
                boxes.forEach((box) => { box.checked = all.checked; });
                tell();
            });
        }
        boxes.forEach((box) => box.addEventListener('change', tell));
        tell();
    });

    // A code is suggested from a name, until somebody writes one.
    each('input[data-codes]', (code) => {
        const name = document.getElementById(code.dataset.codes);
        let isOwn = code.value !== '';
        code.addEventListener('input', () => { isOwn = code.value !== ''; });
        name.addEventListener('input', () => {
            if (isOwn) return;
            const plain = name.value.normalize('NFKD').replace(/[\u0300-\u036f]/g, '').toLowerCase();
            code.value = plain.replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 36);
        });
    });

    // Of two ways to say the same, the one that was used last counts: choosing here empties the field there.
    each('[data-clears]', (field) => {
        const other = document.getElementById(field.dataset.clears);
        field.addEventListener('change', () => { if (field.value) other.value = ''; });
        other.addEventListener('change', () => { if (other.value) field.value = ''; });
    });

    each('[data-copies]', (button) => button.addEventListener('click', async () => {
        const text = document.getElementById(button.dataset.copies).textContent;
        const status = button.parentElement.querySelector('[role=status]');
        try {
            await navigator.clipboard.writeText(text);
            status.textContent = 'Copied.';
        } catch {
            status.textContent = 'Select it and copy it by hand.';
        }
    }));

    // What the numbers of some fields add up to, as they are typed.
    each('form[data-sums]', (form) => {
        const fields = form.querySelectorAll(`[name^="${form.dataset.sums}"]`);
        const shown = form.querySelector('.plum-sum');
        const add = () => {
            const sum = [...fields].reduce((total, field) => total + (Number(field.value) || 0), 0);
            shown.textContent = sum;
            shown.classList.toggle('plum-wrong', sum !== Number(form.dataset.wanted));
        };
        fields.forEach((field) => field.addEventListener('input', add));
        add();
    });

    // Progress of running jobs: asked every two seconds, until the job has ended; then the page shows the result.
    const follow = async (bar) => {
        try {
            const answer = await fetch(bar.dataset.url, { headers: { Accept: 'application/json' } });
            if (!answer.ok) return;
            const job = await answer.json();
            const progress = bar.querySelector('progress');
            progress.max = job.total || 1;
            progress.value = job.done;
            bar.querySelector('.plum-progress-text').textContent =
                job.total ? `${job.done} of ${job.total} ${job.note}` : job.note || job.label;
            if (job.ended) {
                window.location.reload();
                return;
            }
        } catch { /* the server is away for a moment: ask again */ }
        window.setTimeout(follow, 2000, bar);
    };
    each('.plum-progress[data-live]', (bar) => window.setTimeout(follow, 1000, bar));
}
