// What scrolls can be reached by the keyboard, too.
document.querySelectorAll('main pre > code, main .table-wrapper, main p:has(> label > img)').forEach((element) => { element.tabIndex = 0; });
