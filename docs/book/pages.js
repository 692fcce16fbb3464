// What scrolls can be reached by the keyboard, too.
document.querySelectorAll('main pre > code, main .table-wrapper').forEach((element) => { element.tabIndex = 0; });
