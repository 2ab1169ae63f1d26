// The button that copies a call as JSON.

import { getText } from "./api.js";
import { copyOnClick } from "./copy.js";

for (const button of document.querySelectorAll("[data-copy]")) copyOnClick(button, () => getText(button.dataset.copy));
