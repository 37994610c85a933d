import { quantizeChosen } from './page.js';

const input = document.querySelector('input');
input.addEventListener('change', () => quantizeChosen(input));
