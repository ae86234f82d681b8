import { Empty } from '../../ui/states.tsx';

const NewRunPage = () => <Empty title="New run" />;

export default NewRunPage;
