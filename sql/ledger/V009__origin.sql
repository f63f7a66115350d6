-- what a batch's rows are from: a verification of one origin's rows leaves the others' alone

alter table trasvase.batch
  add column origin text collate "C" not null default 'models' check (origin in ('models', 'files', 'users'));
