-- Retention deletes readings that belong to no batch; nobody may change one.

GRANT DELETE ON reading TO kweek_application;
