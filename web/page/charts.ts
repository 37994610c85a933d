/**
 * The chart library with its style.
 * It exists as a file of its own so that both arrive after the page is ready.
 * Nothing else imports the library but types.
 */
import 'uplot/dist/uPlot.min.css';
import uPlot from 'uplot';

export { uPlot };
