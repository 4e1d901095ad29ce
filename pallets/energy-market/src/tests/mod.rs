mod clearing;
mod governance;
mod orders;
