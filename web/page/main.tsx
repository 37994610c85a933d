/**
 * Starts the page.
 * It exists to say in words what is missing where the page cannot run.
 * Whatever fails on the way, something readable is on the screen.
 */
import { render } from 'preact';
import './style/tokens.css';
import './style/page.css';
import './style/controls.css';
import './style/start.css';
import { App } from './app.js';
import { choiceOf } from './fragment.js';
import { keepOffline } from './offline.js';
import { missingFeature } from './support.js';
import { loadModelView } from './views/model-place.js';
import { followInWindow } from './window.js';
import { Workbench } from './workbench.js';

const root = document.querySelector('#page');
const missing = missingFeature();
if (root !== null && missing !== undefined) {
  root.textContent = `This browser has no ${missing}, which monoquant needs. A version of Chrome, Edge, Firefox or Safari from 2023 or later has it.`;
} else if (root !== null) {
  const workbench = new Workbench(choiceOf(location.hash));
  followInWindow(workbench);
  root.replaceChildren();
  render(<App workbench={workbench} />, root);
  // First the page, which can take a model; then what is needed for it, then what may be needed later.
  void painted()
    .then(() => workbench.prepare())
    .then(loadModelView)
    .then(keepOffline)
    .then(() => import('./charts.js'));
}

/** When the browser has shown the page and has nothing else to do. */
function painted(): Promise<void> {
  return new Promise((resolve) => {
    // Safari has no idle callbacks.
    if (typeof requestIdleCallback === 'function') requestIdleCallback(() => resolve());
    else requestAnimationFrame(() => setTimeout(resolve));
  });
}
