// Applies the pipeline file anew: first the plan, then, once it is confirmed, the change.

import { post } from '../api.js';
import { actionButton } from '../dialog.js';
import { attribute, el, text } from '../dom.js';
import { t } from '../i18n.js';
import { live } from '../live.js';

const STEPS = ['added', 'changed', 'rerouted', 'removed', 'settings', 'kept'];
/** Steps that change something. */
const CHANGES = STEPS.slice(0, 5);

/** A section with the two buttons; `onDone` is told of a reload that went through. */
export function reloading() {
  let done = () => {};
  let isChecked = false;
  const outcome = el('div', { id: 'plan', role: 'status' });
  const check = actionButton(t('reload_check'), async () => {
    isChecked = false;
    const report = await post('api/reload?check=true');
    isChecked = !report?.reason && CHANGES.some((step) => report?.plan?.[step]?.length > 0);
    show(outcome, report, 'planned');
  });
  const apply = actionButton(t('reload_apply'), async () => {
    isChecked = false;
    show(outcome, await post('api/reload'), 'reloaded');
    done();
  });
  check.node.id = 'check';
  apply.node.id = 'apply';
  const file = el('code');
  const node = el('section', { class: 'reload' },
    el('h2', {}, t('reload')),
    el('p', {}, t('reload_words'), ' ', file),
    el('div', { class: 'buttons' }, check.node, apply.node),
    outcome);
  return {
    node,
    onDone(listener) {
      done = listener;
    },
    update() {
      text(file, live.pipeline?.file ?? '');
      check.refuse(null);
      apply.refuse(isChecked ? null : t('reload_check_first'));
      attribute(apply.node, 'class', isChecked ? 'primary' : null);
    },
  };
}

function show(node, report, kind) {
  const plan = report?.plan;
  const names = (step) => (plan?.[step] ?? []).map((it) => (typeof it === 'string' ? it : `${it.id} (${it.what.join(', ')})`));
  const rows = STEPS.filter((step) => names(step).length > 0).map((step) =>
    el('div', { class: step }, el('dt', {}, t(`step.${step}`)), el('dd', {}, names(step).join(', '))));
  const words = t(`${kind}.${report?.outcome ?? 'failed'}`, {
    ms: report?.duration_ms ?? 0,
    gap: ((report?.gap_us ?? 0) / 1000).toFixed(1),
  });
  const left = report?.left_behind ?? [];
  node.replaceChildren(...[
    el('p', { class: `answer ${report?.outcome ?? 'failed'}` }, words),
    rows.length ? el('dl', { class: 'facts' }, ...rows) : null,
    left.length ? el('p', { class: 'bad' }, t('left_behind', { ids: left.join(', ') })) : null,
    report?.reason ? el('pre', { class: 'reason' }, report.reason) : null,
  ].filter(Boolean));
}
