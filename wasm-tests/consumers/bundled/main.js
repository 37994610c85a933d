import { configure } from 'monoquant';
import { quantizeChosen } from './page.js';

configure({ workerUrl: new URL('monoquant/browser/worker.js', document.baseURI) });

const input = document.querySelector('input');
input.addEventListener('change', () => quantizeChosen(input));
