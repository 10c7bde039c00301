// @ts-check
// All hooks.
import { html } from 'htm/preact';
import { useHooks } from '../lib/hooks.js';
import { useTitle } from '../lib/use.js';
import { Empty, Head, Loaded } from '../parts/basics.js';
import { HookTable } from '../parts/hooks.js';

export function Hooks() {
  useTitle('Hooks');
  const list = useHooks({});
  return html`<${Head} title="Hooks" sub="What starts for events of other systems" />
    <${Loaded} of=${list}>${(items) => (items.length ? html`<section class="panel flush"><${HookTable} items=${items} /></section>`
    : html`<${Empty} title="No hooks" text="Put one under hooks in hodei.yaml, or create it by command:" command="hodei hook create --pipeline shop --kind github --secret HOOK_KEY --branch main" />`)}</${Loaded}>`;
}
